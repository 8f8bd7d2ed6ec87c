package tlssecrets

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

// process is what was found of a process.
type process struct {
	start  uint64  // when it started, as /proc/PID/stat has it; 0: not known
	files  []*file // what it has of TLS
	exe    string
	exeID  fileID
	failed string // why it could not be looked at
	looks  int
}

// seenProcess is a process that is to be looked at.
type seenProcess struct {
	pid   int
	start uint64 // 0: not known
}

// mapping is a file of which a process executes a part.
type mapping struct {
	path  string
	inode uint64
	at    string // where it is mapped, as /proc/PID/map_files has it
}

// lookAt looks at what a process executes, and probes it.
func (p *Probes) lookAt(ctx context.Context, who seenProcess) {
	found := &process{}
	dir := "/proc/" + strconv.Itoa(who.pid)
	err := p.fill(ctx, found, who.pid, dir)
	switch {
	case err == nil && (who.start == 0 || who.start == found.start):
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
		*found = process{start: who.start, failed: "it had gone before it could be looked at"}
	case errors.Is(err, fs.ErrPermission):
		found.failed = "it is not this user's to look at; a tap by root decrypts it"
	default:
		found.failed = "look at it: " + err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if had := p.processes[who.pid]; had != nil && had.is(found.start) {
		found.looks = had.looks
		if found.failed != "" && had.failed == "" {
			return // what is known stays
		}
	} else if len(p.processes) >= maxProcesses {
		clear(p.processes)
	}
	found.looks++
	p.processes[who.pid] = found
}

// is reports whether it may be the process that started then: another one can have its
// id later.
func (s *process) is(start uint64) bool { return start == 0 || s.start == 0 || start == s.start }

// fill finds what a process has of TLS, and probes it.
func (p *Probes) fill(ctx context.Context, s *process, pid int, dir string) (err error) {
	if s.start, err = procfs.StartTime(pid); err != nil {
		return err
	}
	if s.exe, err = os.Readlink(dir + "/exe"); err != nil {
		return err
	}
	list, err := mappings(dir + "/maps")
	if err != nil {
		return err
	}
	if f, err := openRegular(dir + "/exe"); err == nil {
		s.exeID, _ = idOf(f)
		s.add(p.look(ctx, f, s.exe))
		_ = f.Close() // only read from
	}
	for _, m := range list {
		if m.path == s.exe || ctx.Err() != nil {
			continue
		}
		f, err := openMapping(dir, m)
		if err != nil {
			s.add(replaced(m))
			continue
		}
		s.add(p.look(ctx, f, m.path))
		_ = f.Close() // only read from
	}
	return nil
}

// openMapping opens a file that a process has mapped.
func openMapping(dir string, m mapping) (*os.File, error) {
	// The file itself, whatever has its path by now; for root (proc_pid_map_files(5)).
	if f, err := openRegular(filepath.Join(dir, "map_files", m.at)); err == nil {
		return f, nil
	}
	// Its own view of files: it may be in a container.
	f, err := openRegular(filepath.Join(dir, "root", m.path))
	if err != nil {
		return nil, err
	}
	if id, ok := idOf(f); !ok || id.inode != m.inode {
		return nil, errors.Join(fmt.Errorf("%s is another file by now", m.path), f.Close())
	}
	return f, nil
}

// replaced returns what there is to say of a library that cannot be opened, or nil where
// it is none of TLS by its name.
func replaced(m mapping) *file {
	path := strings.TrimSuffix(m.path, " (deleted)")
	for _, l := range libraryNames {
		if ok, _ := filepath.Match(l.pattern, filepath.Base(path)); ok { // a bad pattern is its only error
			return &file{path: path, library: library{name: l.library, why: path + " was replaced since the process started, so that only root can probe what it has; start it again"}}
		}
	}
	return nil
}

func (s *process) add(f *file) {
	if f != nil && f.name != "" && !slices.ContainsFunc(s.files, func(g *file) bool { return f == g || f.kind == "" && f.library == g.library }) {
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
		m, ok := parseMapping(lines.Text())
		if ok && !slices.ContainsFunc(out, func(o mapping) bool { return o.path == m.path && o.inode == m.inode }) {
			out = append(out, m)
		}
	}
	return out, lines.Err()
}

// parseMapping reads a line of /proc/PID/maps (proc(5)); ok is false for what is no file
// that is executed.
func parseMapping(line string) (m mapping, ok bool) {
	// 00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon
	var fields [5]string // up to the inode
	for i := range fields {
		var more bool
		if fields[i], line, more = strings.Cut(line, " "); !more && i < len(fields)-1 {
			return m, false
		}
	}
	path := strings.TrimLeft(line, " ")
	inode, err := strconv.ParseUint(fields[4], 10, 64)
	if access := fields[1]; err != nil || inode == 0 || !strings.HasPrefix(path, "/") || len(access) < 3 || access[2] != 'x' {
		return m, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	return mapping{path: path, inode: inode, at: bare(from) + "-" + bare(to)}, true
}

// bare is a number without zeros before it.
func bare(s string) string {
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0"
	}
	return s
}
