package tlssecrets

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is what was found of a process.
type process struct {
	files  []*file // what it has of TLS
	exe    string
	failed string // why it could not be looked at
	looks  int
}

// mapping is a file of which a process executes a part.
type mapping struct {
	path  string
	inode uint64
}

// lookAt looks at what a process executes, and probes it.
func (p *Probes) lookAt(ctx context.Context, pid int) {
	found := &process{}
	dir := "/proc/" + strconv.Itoa(pid)
	exe, err := os.Readlink(dir + "/exe")
	if err == nil {
		found.exe = exe
		var list []mapping
		if list, err = mappings(dir + "/maps"); err == nil {
			p.lookAtFiles(ctx, dir, exe, list, found)
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
		found.failed = "it had gone before it could be looked at"
	case errors.Is(err, fs.ErrPermission):
		found.failed = "it is not this user's to look at; a tap by root decrypts it"
	default:
		found.failed = "look at it: " + err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if had := p.processes[pid]; had != nil {
		found.looks = had.looks
		if found.failed != "" && had.failed == "" {
			return // what is known stays
		}
	} else if len(p.processes) >= maxProcesses {
		clear(p.processes)
	}
	found.looks++
	p.processes[pid] = found
}

func (p *Probes) lookAtFiles(ctx context.Context, dir, exe string, list []mapping, found *process) {
	if f, err := openRegular(dir + "/exe"); err == nil {
		found.add(p.look(ctx, f, exe, true))
		_ = f.Close() // only read from
	}
	for _, m := range list {
		if m.path == exe || ctx.Err() != nil {
			continue
		}
		// Its own view of files: it may be in a container.
		f, err := openRegular(filepath.Join(dir, "root", m.path))
		if err != nil {
			continue // it was removed, or replaced by an upgrade
		}
		var st unix.Stat_t
		if unix.Fstat(int(f.Fd()), &st) == nil && st.Ino == m.inode {
			found.add(p.look(ctx, f, m.path, false))
		}
		_ = f.Close() // only read from
	}
}

func (s *process) add(f *file) {
	if f != nil && f.name != "" && !slices.Contains(s.files, f) {
		s.files = append(s.files, f)
	}
}

// mappings returns the files of which a process executes parts, by its /proc/PID/maps.
func mappings(path string) ([]mapping, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []mapping
	lines := bufio.NewScanner(f)
	for lines.Scan() && len(out) < maxMappings {
		if m, ok := parseMapping(lines.Text()); ok && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out, lines.Err()
}

// parseMapping reads a line of /proc/PID/maps (proc(5)); ok is false for what is no file
// that is executed.
func parseMapping(line string) (m mapping, ok bool) {
	// 00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon
	for range 4 { // the fields before the inode
		_, rest, more := strings.Cut(line, " ")
		if !more {
			return m, false
		}
		if m.path == "" {
			m.path = rest
		}
		line = rest
	}
	access := m.path
	number, path, _ := strings.Cut(line, " ")
	inode, err := strconv.ParseUint(number, 10, 64)
	path = strings.TrimLeft(path, " ")
	if err != nil || inode == 0 || !strings.HasPrefix(path, "/") || len(access) < 3 || access[2] != 'x' {
		return m, false
	}
	return mapping{path: path, inode: inode}, true
}
