package tlssecrets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
)

// fileID names a file, whatever its path.
type fileID struct{ device, inode uint64 }

// file is a file that was looked at. It is not changed once others can see it, but for
// scanned.
type file struct {
	path string
	library
	probed  time.Time // since when it is; zero: it is not
	refused string    // why it is not, although there is a place in it
}

// The bounds of what is looked at.
const (
	maxFiles    = 1 << 16 // in all
	maxWithin   = 1 << 15 // below a directory that is given
	maxMappings = 4096    // of one process
)

// libraryDirs are where the machine's libraries are (ld.so(8)), with the directories of
// Debian's architectures.
var libraryDirs = [...]string{
	"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64",
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
}

// libraryNames are the names of the files of the libraries that are probed before a process
// is seen that uses them.
var libraryNames = [...]struct{ pattern, library string }{
	{"libcrypto.so.3*", exports[0].name}, {"libnettle.so.8*", exports[1].name},
}

// probeMachine probes the machine's libraries: those of programs that are not started yet
// and of which nothing is known. With directories that are given, it probes what is below
// these instead.
func (p *Probes) probeMachine(ctx context.Context) {
	if len(p.within) > 0 {
		for _, dir := range p.within {
			p.probeBelow(ctx, dir)
		}
		return
	}
	for _, dir := range libraryDirs {
		for _, name := range libraryNames {
			paths, _ := filepath.Glob(filepath.Join(dir, name.pattern)) // a bad pattern is its only error
			for _, path := range paths {
				p.probePath(ctx, path)
			}
		}
	}
}

// probeBelow probes the libraries and programs below a directory.
func (p *Probes) probeBelow(ctx context.Context, dir string) {
	looked := 0
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // what cannot be read is not probed
		case ctx.Err() != nil:
			return fs.SkipAll
		case d.IsDir() && slices.Contains(noFiles[:], path):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		if info, err := d.Info(); err != nil || info.Mode()&0o111 == 0 && !strings.Contains(d.Name(), ".so") {
			return nil // neither a program nor a library
		}
		if looked == maxWithin {
			p.cut = append(p.cut, dir)
			return fs.SkipAll
		}
		looked++
		p.probePath(ctx, path)
		return nil
	})
}

// noFiles are directories of file systems without programs.
var noFiles = [...]string{"/proc", "/sys", "/dev"}

// Cut returns the directories of which not all files were looked at from the begin on,
// because they have more than maxWithin.
func (p *Probes) Cut() (dirs []string, most int) { return p.cut, maxWithin }

func (p *Probes) probePath(ctx context.Context, path string) {
	f, err := openRegular(path)
	if err != nil {
		return
	}
	defer f.Close()
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	p.look(ctx, f, path)
}

// openRegular opens a regular file for reading. Nothing else is opened, not even for a
// look: what a process has at a path may be a device by now, and opening one can do harm.
func openRegular(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return os.Open("/proc/self/fd/" + strconv.Itoa(fd))
}

// idOf returns which file is open, and whether that is known.
func idOf(f *os.File) (fileID, bool) {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return fileID{}, false
	}
	return fileID{uint64(st.Dev), st.Ino}, true
}

// look looks at a file, once, and probes it if there is a place for that. It returns what
// was found in it.
func (p *Probes) look(ctx context.Context, f *os.File, path string) *file {
	id, ok := idOf(f)
	if !ok {
		return nil // it says nothing
	}
	p.mu.Lock()
	known, full := p.files[id], len(p.files) >= maxFiles
	p.mu.Unlock()
	switch {
	case known != nil:
		return known
	case full:
		return &file{library: library{name: "files that were not looked at", why: fmt.Sprintf("there are more than %d", maxFiles)}}
	}
	n := &file{path: path, library: inspect(f, path)}
	if n.kind != "" {
		if !p.mayProbe(id, path) {
			n.refused = "it is not below a directory that --tls-within names"
		} else if err := p.secrets.Probe(ctx, f, n.kind, n.offset); err != nil {
			n.refused = why(err)
		} else {
			n.probed = time.Now()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[id] = n
	return n
}

// mayProbe reports whether a file is one of those that are asked for. A process may have
// another file at the same path, in mounts of its own.
func (p *Probes) mayProbe(id fileID, path string) bool {
	if len(p.within) == 0 {
		return true
	}
	if !slices.ContainsFunc(p.within, func(dir string) bool {
		return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
	}) {
		return false
	}
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && id == fileID{uint64(st.Dev), st.Ino}
}

// why returns the helper's reason.
func why(err error) string {
	var e *helperapi.Error
	if errors.As(err, &e) {
		return e.Cause
	}
	return err.Error()
}
