package holders

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Request says what is searched for, and what is read of the processes found.
type Request struct {
	Want    *InodeSet
	Details Details
	Homes   []Home
	Boot    time.Time
	// quick ends the search early: see Query.Quick. cgroups are those in which
	// the wanted sockets were made.
	Quick   bool
	Cgroups map[uint64]bool
	Hints   *Hints
	// workers says that one of them may be what the workers of a server share:
	// it is not a connection.
	Workers bool
	// ahead is what was read before it was known what is wanted; nil is nothing.
	Prefetch *Prefetch
}

// search looks through /proc for the processes that hold sockets.
type search struct {
	Request
	proc int // /proc, open

	// processes are those that hold a wanted socket, by their place in the
	// list of process ids; the others are nil.
	processes []*Process
	denied    atomic.Int64
	next      atomic.Int64

	// What a quick search notes: the numbers of all sockets of the processes
	// that it looked through, and where each holder has its first wanted one.
	numbers map[int][]uint32
	firsts  map[uint32]at
}

// Result is what a search found.
type Result struct {
	// processes hold a wanted socket; between them are nils.
	Processes []*Process
	// denied counts the processes whose descriptors may not be read.
	Denied int
}

// rounds bounds how often the list of processes is read again, for those that
// were forked meanwhile by one that had been read.
const rounds = 4

func OpenProc() (int, error) {
	proc, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /proc: %w", err)
	}
	return proc, nil
}

// Search finds the processes that hold the sockets of f.want, and links
// them there.
func Search(ctx context.Context, f Request) (Result, error) {
	proc, err := OpenProc()
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = unix.Close(proc) }() // only read from
	s := &search{Request: f, proc: proc}
	if f.Quick {
		s.firsts, s.numbers = make(map[uint32]at), make(map[int][]uint32)
		err := s.quickly(ctx)
		return Result{s.processes, int(s.denied.Load())}, err
	}
	known := make(map[int]struct{})
	if a := f.Prefetch; a != nil {
		a.wait()
		s.denied.Store(a.search.denied.Load())
		for _, pid := range a.pids {
			known[pid] = struct{}{}
		}
		if err := s.round(ctx, a.pids); err != nil {
			return Result{}, err
		}
		a.Close()
		s.Prefetch = nil
	}
	for range rounds {
		pids, err := ListProcesses(proc)
		if err != nil {
			return Result{}, err
		}
		pids = slices.DeleteFunc(pids, func(pid int) bool { _, ok := known[pid]; return ok })
		if len(pids) == 0 {
			break
		}
		for _, pid := range pids {
			known[pid] = struct{}{}
		}
		if err := s.round(ctx, pids); err != nil {
			return Result{}, err
		}
	}
	return Result{s.processes, int(s.denied.Load())}, nil
}

// round looks through the given processes, on all processors.
func (s *search) round(ctx context.Context, pids []int) error {
	base := len(s.processes)
	s.processes = append(s.processes, make([]*Process, len(pids))...)
	s.next.Store(0)
	workers := make([]*searcher, min(runtime.GOMAXPROCS(0), (len(pids)+7)/8))
	var wg sync.WaitGroup
	for i := range workers {
		w := &searcher{search: s}
		if s.Quick {
			w.seen, w.firsts = make(map[int][]uint32), make(map[uint32]at)
		}
		workers[i] = w
		wg.Go(func() {
			for ctx.Err() == nil && w.err == nil {
				i := int(s.next.Add(1)) - 1
				if i >= len(pids) {
					return
				}
				if s.Prefetch != nil {
					if p, ok := s.Prefetch.holder(w, i, uint32(base+i)); ok {
						s.processes[base+i] = p
						continue
					}
				}
				s.processes[base+i], w.err = w.process(pids[i], uint32(base+i))
			}
		})
	}
	wg.Wait()
	for _, w := range workers {
		if w.err != nil {
			return w.err
		}
		s.Want.link(w.found)
		if s.Quick {
			maps.Copy(s.numbers, w.seen)
			maps.Copy(s.firsts, w.firsts)
		}
	}
	return ctx.Err()
}

// ListProcesses returns the ids in an open /proc.
func ListProcesses(proc int) ([]int, error) {
	if _, err := unix.Seek(proc, 0, unix.SEEK_SET); err != nil {
		return nil, fmt.Errorf("read /proc: %w", err)
	}
	buf := make([]byte, 32<<10)
	var pids []int
	for {
		n, err := unix.Getdents(proc, buf)
		if err != nil {
			return nil, fmt.Errorf("read /proc: %w", err)
		}
		if n == 0 {
			slices.Sort(pids)
			return pids, nil
		}
		for b := buf[:n]; ; {
			name, rest, ok := dirent(b)
			if !ok {
				break
			}
			b = rest
			if pid, ok := number(name); ok {
				pids = append(pids, int(pid))
			}
		}
	}
}
