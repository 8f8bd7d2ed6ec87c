package holders

import (
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"lodge/internal/procfs"

	"golang.org/x/sys/unix"
)

// searcher is one goroutine's part of a search.
type searcher struct {
	*search
	found []found
	err   error
	// For a quick search, see search, and for reading ahead.
	pid    int
	seen   map[int][]uint32
	firsts map[uint32]at

	dents [32 << 10]byte
	tasks [4 << 10]byte
	file  [8 << 10]byte
	link  [64]byte
	name  [24]byte
}

// process looks through the descriptors of one process. It returns nil if the
// process holds nothing that is wanted, or is gone: what is read of it, its
// start included, comes by way of its directory, which never is another
// process's that has got the same id.
func (w *searcher) process(pid int, index uint32) (*Process, error) {
	fds, ended, err := w.open(pid)
	if fds < 0 {
		return nil, err
	}
	defer func() { _ = unix.Close(fds) }() // only read from
	before := len(w.found)
	w.pid = pid
	if err := w.descriptors(fds, pid, index, ended); err != nil {
		return nil, err
	}
	return w.holder(fds, pid, before), nil
}

// open opens a process's directory of descriptors. It returns -1 if the process
// is gone, or may not be looked into. Where the process's first thread has ended
// it opens the directory of its threads instead, and ended is true: see
// openThreads.
func (w *searcher) open(pid int) (fds int, ended bool, err error) {
	fds, err = unix.Openat(w.proc, strconv.Itoa(pid)+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	switch {
	case vanished(err):
		return -1, false, nil
	case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		if fds = openThreads(w.proc, pid); fds >= 0 {
			return fds, true, nil
		}
		w.denied.Add(1)
		return -1, false, nil
	case err != nil:
		return -1, false, fmt.Errorf("read descriptors of process %d: %w", pid, err)
	}
	return fds, false, nil
}

// descriptors looks through all descriptors of a process; fds and ended are
// those of open.
func (w *searcher) descriptors(fds, pid int, index uint32, ended bool) error {
	readable, err := true, error(nil)
	if !ended {
		readable = w.directory(fds, index)
	}
	if readable {
		if readable, err = w.threads(fds, pid, index, ended); err != nil {
			return err
		}
	}
	if !readable {
		w.denied.Add(1)
	}
	return nil
}

// holder describes the process whose directory of descriptors is open, if what
// was found since before says that it holds something that is wanted.
func (w *searcher) holder(fds, pid, before int) *Process {
	if len(w.found) == before {
		return nil
	}
	inside := false
	for _, f := range w.found[before:] {
		inside = inside || w.Want.IsHome(f.slot)
	}
	dir, err := unix.Openat(fds, "..", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		p := w.describe(dir, pid, inside)
		_ = unix.Close(dir) // only read from
		if p != nil {
			return p
		}
	}
	w.found = w.found[:before] // it has ended
	return nil
}

// directory looks through the descriptors in an open /proc/PID/fd. They may
// be closed, and the process may end, meanwhile. It returns false if they may be
// listed, but not read: the second is the stricter right (ptrace(2), "Ptrace
// access mode checking").
func (w *searcher) directory(dir int, index uint32) bool {
	// Since Linux 6.2 the directory's size is the number of descriptors. They
	// are numbered from zero with few gaps, so they need not be listed, which
	// costs half as much again as to read them.
	var st unix.Stat_t
	if unix.Fstat(dir, &st) != nil || st.Size == 0 {
		return w.listing(dir, index, 0)
	}
	left, most := st.Size, st.Size+st.Size/8+8
	for i := int64(0); i < most; i++ {
		name := append(strconv.AppendInt(w.name[:0], i, 10), 0)
		inode, errno := w.socket(dir, name)
		switch errno {
		case 0:
			w.take(i, inode, index)
			if left--; left == 0 {
				return true
			}
		case unix.EACCES, unix.EPERM:
			return false
		case unix.ESRCH:
			return true
		}
	}
	return w.listing(dir, index, most)
}

// take notes that the process holds a socket, if it is wanted.
func (w *searcher) take(fd int64, inode, index uint32) {
	if w.seen != nil && inode != 0 {
		w.seen[w.pid] = append(w.seen[w.pid], inode)
	}
	w.match(fd, inode, index)
}

// match is take for a socket that is known already.
func (w *searcher) match(fd int64, inode, index uint32) {
	slot, ok := w.Want.Slot(inode)
	if !ok {
		return
	}
	w.found = append(w.found, found{slot, index})
	if w.firsts != nil {
		if first, known := w.firsts[index]; !known || fd < first.fd {
			w.firsts[index] = at{fd, inode}
		}
	}
}

// listing is directory for descriptors whose numbers are not known, but that
// they are at least from.
func (w *searcher) listing(dir int, index uint32, from int64) bool {
	for {
		n, err := unix.Getdents(dir, w.dents[:])
		if n <= 0 || err != nil {
			return true
		}
		for b := w.dents[:n]; ; {
			name, rest, ok := dirent(b)
			if !ok {
				break
			}
			b = rest
			fd, ok := number(name)
			if !ok || fd < from {
				continue
			}
			// The name ends with a NUL, so it is what readlinkat takes.
			inode, errno := w.socket(dir, name)
			if errno == unix.EACCES || errno == unix.EPERM {
				return false
			}
			w.take(fd, inode, index)
		}
	}
}

// socket returns the inode of the socket that a descriptor is, or zero.
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

// Where the parts of a struct linux_dirent64 are (getdents64(2)).
const (
	direntSize = 16
	direntName = 19
)

// dirent takes the first entry off a buffer that getdents64 has filled. The
// name keeps its NUL, and what is after it to the end of the entry.
func dirent(b []byte) (name, rest []byte, ok bool) {
	if len(b) < direntName+2 {
		return nil, nil, false
	}
	size := int(*(*uint16)(unsafe.Pointer(&b[direntSize])))
	if size < direntName+2 || size > len(b) {
		return nil, nil, false
	}
	return b[direntName:size], b[size:], true
}

// number reads a name that is a number and ends with a NUL.
func number(name []byte) (int64, bool) {
	n := int64(0)
	for i, c := range name {
		if c == 0 {
			return n, i > 0
		}
		if c < '0' || c > '9' || n > 1<<31 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return 0, false
}

// read reads the beginning of a file relative to an open directory, as much as
// fits.
func (w *searcher) read(dir int, name string) ([]byte, error) {
	return procfs.ReadStart(dir, name, w.file[:])
}
