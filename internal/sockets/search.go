package sockets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// searchFor says what is looked for, and what is read of those who have it.
type searchFor struct {
	want    *inodeSet
	details details
	homes   []Home
	boot    time.Time
}

// search looks through /proc for the processes that hold sockets.
type search struct {
	searchFor
	proc int // /proc, open

	// processes are those that hold a wanted socket, by their place in the
	// list of process ids; the others are nil.
	processes []*Process
	// denied counts processes whose descriptors may not be read.
	denied atomic.Int64
	next   atomic.Int64
}

// rounds bounds how often the list of processes is read again, for those that
// were forked meanwhile by one that had been read.
const rounds = 4

// searchHolders finds the processes that hold the sockets of f.want, and says
// how many processes' descriptors may not be read.
func searchHolders(ctx context.Context, f searchFor) (processes []*Process, denied int, err error) {
	proc, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("open /proc: %w", err)
	}
	defer func() { _ = unix.Close(proc) }() // only read from
	s := &search{searchFor: f, proc: proc}
	known := make(map[int]struct{})
	for range rounds {
		pids, err := listProcesses(proc)
		if err != nil {
			return nil, 0, err
		}
		pids = slices.DeleteFunc(pids, func(pid int) bool { _, ok := known[pid]; return ok })
		if len(pids) == 0 {
			break
		}
		for _, pid := range pids {
			known[pid] = struct{}{}
		}
		if err := s.round(ctx, pids); err != nil {
			return nil, 0, err
		}
	}
	return s.processes, int(s.denied.Load()), nil
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
		workers[i] = w
		wg.Go(func() {
			for ctx.Err() == nil && w.err == nil {
				i := int(s.next.Add(1)) - 1
				if i >= len(pids) {
					return
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
		s.want.link(w.found)
	}
	return ctx.Err()
}

// searcher is one goroutine's part of a search.
type searcher struct {
	*search
	found []found
	err   error
	dents [32 << 10]byte
	file  [8 << 10]byte
	link  [64]byte
	path  []byte
}

// process looks through the descriptors of one process. It gives nil if the
// process holds nothing that is wanted, or is gone: what is read of it, its
// start included, comes by way of its directory, which never is another
// process's that has got the same id.
func (w *searcher) process(pid int, index uint32) (*Process, error) {
	fds, err := unix.Openat(w.proc, strconv.Itoa(pid)+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	switch {
	case vanished(err):
		return nil, nil
	case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		w.denied.Add(1)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read descriptors of process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fds) }() // only read from
	before := len(w.found)
	if !w.directory(fds, index) {
		w.denied.Add(1)
	}
	if len(w.found) == before {
		return nil, nil
	}
	p := w.describe(fds, pid)
	if p == nil {
		w.found = w.found[:before]
	}
	return p, nil
}

// directory looks through the descriptors in an open /proc/PID/fd. They may
// be closed, and the process may end, meanwhile. It gives false if they may be
// listed, but not read: the second is the stricter right (ptrace(2), "Ptrace
// access mode checking").
func (w *searcher) directory(dir int, index uint32) bool {
	for {
		n, err := unix.Getdents(dir, w.dents[:])
		if n <= 0 || err != nil {
			return true
		}
		for b := w.dents[:n]; len(b) >= direntName; {
			size := int(*(*uint16)(unsafe.Pointer(&b[direntSize])))
			if size < direntName+2 || size > len(b) {
				return true
			}
			// The name ends with a NUL, so it is what readlinkat takes.
			if name := b[direntName:size]; name[0] != '.' {
				inode, errno := w.socket(dir, name)
				if errno == unix.EACCES || errno == unix.EPERM {
					return false
				}
				if slot, ok := w.want.slot(inode); ok {
					w.found = append(w.found, found{slot, index})
				}
			}
			b = b[size:]
		}
	}
}

// Where the parts of a struct linux_dirent64 are (getdents64(2)).
const (
	direntSize = 16
	direntName = 19
)

// socket gives the inode of the socket that a descriptor is, or zero.
func (w *searcher) socket(dir int, name []byte) (uint32, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(&name[0])),
		uintptr(unsafe.Pointer(&w.link[0])), uintptr(len(w.link)), 0, 0)
	if errno != 0 || n < 10 || n > uintptr(len(w.link)) {
		return 0, errno
	}
	b := w.link[:n]
	if string(b[:8]) != "socket:[" || b[n-1] != ']' {
		return 0, 0
	}
	var inode uint64
	for _, c := range b[8 : n-1] {
		if c < '0' || c > '9' || inode >= 1<<32 {
			return 0, 0
		}
		inode = inode*10 + uint64(c-'0')
	}
	if inode >= 1<<32 {
		return 0, 0
	}
	return uint32(inode), 0
}

// listProcesses gives the ids in an open /proc.
func listProcesses(proc int) ([]int, error) {
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
		for b := buf[:n]; len(b) >= direntName; {
			size := int(*(*uint16)(unsafe.Pointer(&b[direntSize])))
			if size < direntName+2 || size > len(b) {
				return nil, fmt.Errorf("read /proc: entry of %d bytes", size)
			}
			name, _, _ := bytes.Cut(b[direntName:size], []byte{0})
			if name[0] >= '1' && name[0] <= '9' {
				if pid, err := strconv.Atoi(string(name)); err == nil {
					pids = append(pids, pid)
				}
			}
			b = b[size:]
		}
	}
}

// read reads the beginning of a file relative to an open directory, as much
// as fits.
func (w *searcher) read(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }() // only read from
	total := 0
	for total < len(w.file) {
		n, err := read(fd, w.file[total:])
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		total += n
	}
	return w.file[:total], nil
}
