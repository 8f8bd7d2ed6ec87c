package keeper

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
)

// place is the project's directory itself, however it is called by now. It is
// held open, so that its inode is no other directory's.
type place struct {
	mu  sync.Mutex // guards what follows
	dir string
	f   *os.File // nil for one that cannot be opened
}

func openPlace(dir string) *place {
	p := &place{}
	p.move(dir)
	return p
}

// move makes another directory the project's.
func (p *place) move(dir string) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.f != nil {
		_ = p.f.Close()
	}
	p.dir, p.f = dir, os.NewFile(uintptr(fd), dir)
}

func (p *place) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.f != nil {
		_ = p.f.Close()
		p.f = nil
	}
}

// look fills in what became of the directory that the project was opened with.
func (p *place) look(out *keeperapi.Project) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.f == nil {
		return
	}
	fi, err := p.f.Stat()
	if err != nil {
		return
	}
	out.DirID = keeperapi.DirID(fi)
	there, err := os.Stat(out.Dir)
	if err == nil && os.SameFile(fi, there) {
		return
	}
	now, lerr := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", p.f.Fd()))
	st, ok := fi.Sys().(*syscall.Stat_t)
	removed := ok && st.Nlink == 0 || lerr != nil || strings.HasSuffix(now, " (deleted)")
	switch {
	case !removed:
		out.DirProblem, out.DirNow = keeperapi.DirRenamed, now
		if err == nil {
			out.DirProblem = keeperapi.DirReplaced
		}
	case err == nil:
		out.DirProblem = keeperapi.DirReplaced
	default:
		out.DirProblem = keeperapi.DirRemoved
	}
}
