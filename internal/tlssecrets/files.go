package tlssecrets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	maxFiles    = 4096 // in all
	maxWithin   = 2000 // below a directory that is given
	maxMappings = 4096 // of one process
)

// libraryDirs are where the machine's libraries are (ld.so(8)), with the directories of
// Debian's architectures.
var libraryDirs = [...]string{
	"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64",
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
}

// libraryNames are those of the libraries that are probed before a process is seen that
// uses them.
var libraryNames = [...]string{"libcrypto.so.3*", "libnettle.so.8*"}

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
			paths, _ := filepath.Glob(filepath.Join(dir, name)) // a bad pattern is its only error
			for _, path := range paths {
				p.probePath(ctx, path, false)
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
		case ctx.Err() != nil || looked >= maxWithin:
			return fs.SkipAll
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		isLibrary := strings.Contains(d.Name(), ".so")
		if err == nil && (info.Mode()&0o111 != 0 || isLibrary) {
			looked++
			p.probePath(ctx, path, !isLibrary)
		}
		return nil
	})
}

func (p *Probes) probePath(ctx context.Context, path string, program bool) {
	f, err := openRegular(path)
	if err != nil {
		return
	}
	defer f.Close()
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	p.look(ctx, f, path, program)
}

// openRegular opens a file for reading, if it is one that does not block.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is no regular file", path), err, f.Close())
	}
	return f, nil
}

// look looks at a file, once, and probes it if there is a place for that. It returns nil
// where there are too many files.
func (p *Probes) look(ctx context.Context, f *os.File, path string, program bool) *file {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return nil
	}
	id := fileID{uint64(st.Dev), st.Ino}
	p.mu.Lock()
	known, full := p.files[id], len(p.files) >= maxFiles
	p.mu.Unlock()
	if known != nil || full {
		return known
	}
	n := &file{path: path, library: inspect(f, path, program)}
	if n.kind != "" {
		if !p.mayProbe(path) {
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

// mayProbe reports whether a file is one of those that are asked for.
func (p *Probes) mayProbe(path string) bool {
	return len(p.within) == 0 || slices.ContainsFunc(p.within, func(dir string) bool {
		return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
	})
}

// why returns the helper's reason.
func why(err error) string {
	var e *helperapi.Error
	if errors.As(err, &e) {
		return e.Cause
	}
	return err.Error()
}
