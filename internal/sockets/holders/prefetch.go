package holders

import (
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Prefetch reads the descriptors of processes while the kernel dumps its tables of
// sockets: one waits for memory, the other for locks. What changes in between is
// searched for again, like what changes after a search.
type Prefetch struct {
	search search
	pids   []int
	list   []prefetched // of pids
	next   atomic.Int64
	open   atomic.Int64 // directories
	stop   atomic.Bool
	wg     sync.WaitGroup
	err    error // of opening /proc or listing it; the search that follows meets it too
}

// prefetched is what one process has.
type prefetched struct {
	dir    int // its /proc/PID/fd, open; -1: it was not read, or has no socket
	read   bool
	inodes []uint32
}

// prefetchMost bounds how many directories are kept open.
const prefetchMost = 512

// StartPrefetch begins to read. The caller closes the result.
func StartPrefetch() *Prefetch {
	a := &Prefetch{search: search{Request: Request{Want: NewInodeSet(0)}}}
	if a.search.proc, a.err = OpenProc(); a.err != nil {
		return a
	}
	a.wg.Go(func() {
		if a.pids, a.err = ListProcesses(a.search.proc); a.err != nil {
			return
		}
		a.list = make([]prefetched, len(a.pids))
		for range min(runtime.GOMAXPROCS(0), (len(a.pids)+7)/8) {
			a.wg.Go(a.work)
		}
	})
	return a
}

func (a *Prefetch) work() {
	w := &searcher{search: &a.search, seen: make(map[int][]uint32)}
	for !a.stop.Load() && a.open.Load() < prefetchMost {
		i := int(a.next.Add(1)) - 1
		if i >= len(a.pids) {
			return
		}
		r := &a.list[i]
		r.dir = -1
		pid := a.pids[i]
		w.pid = pid
		dir, ended, err := w.open(pid)
		if err != nil {
			return // the search that follows meets it too
		}
		if dir >= 0 {
			if err := w.descriptors(dir, pid, 0, ended); err != nil {
				_ = unix.Close(dir) // only read from
				return
			}
			if r.inodes = w.seen[pid]; len(r.inodes) > 0 {
				r.dir = dir
				a.open.Add(1)
			} else {
				_ = unix.Close(dir) // only read from
			}
		}
		r.read = true
	}
}

// wait waits until everything is read.
func (a *Prefetch) wait() { a.wg.Wait() }

// Close stops reading, and closes what is open. It may be called again.
func (a *Prefetch) Close() {
	a.stop.Store(true)
	a.wg.Wait()
	for i := range a.list {
		if r := &a.list[i]; r.read && r.dir >= 0 {
			_ = unix.Close(r.dir) // only read from
			r.dir = -1
		}
	}
	if a.search.proc >= 0 && a.err == nil {
		_ = unix.Close(a.search.proc) // only read from
		a.search.proc = -1
	}
}

// holder returns the process at a place of the list, if it holds something that is
// wanted. ok is false if it was not read.
func (a *Prefetch) holder(w *searcher, i int, index uint32) (p *Process, ok bool) {
	r := &a.list[i]
	if !r.read {
		return nil, false
	}
	if r.dir < 0 {
		return nil, true
	}
	before := len(w.found)
	for _, inode := range r.inodes {
		w.match(0, inode, index)
	}
	return w.holder(r.dir, a.pids[i], before), true
}
