package hold

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/route"
	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/table"
	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

// Max bounds how many sockets one search finds.
const Max = 1024

// Search duplicates the sockets of processes that listen in a home, once.
type Search struct {
	kernel *table.Kernel
	router *route.Router
	netns  uint64
	seen   map[uint64]bool // the cookies of those that it has
}

// NewSearch returns a search in the home of a router. netns is its network
// namespace, see [socket.Netns].
func NewSearch(router *route.Router, netns uint64) *Search {
	return &Search{kernel: router.Kernel, router: router, netns: netns, seen: make(map[uint64]bool)}
}

// Of duplicates those sockets of processes that listen in the home, and of which
// the kernel's table has the inodes. An error is about some process; what the
// others have is returned beside it.
func (f *Search) Of(pids []int, inodes map[uint32]bool) (found []*Socket, failed error) {
	for _, pid := range pids {
		list, err := f.ofProcess(pid, inodes)
		failed = errors.Join(failed, err)
		found = append(found, list...)
	}
	return found, failed
}

// Listening returns the inode numbers of the listening TCP sockets of the home.
func (f *Search) Listening() (map[uint32]bool, error) {
	out := make(map[uint32]bool)
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		list, err := f.kernel.Dump(loopback.TCP, family, diag.Listening)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			if f.router.IsHere(loopback.TCP, s.Src) {
				out[s.Inode] = true
			}
		}
	}
	return out, nil
}

// ofProcess is Of for one process.
func (f *Search) ofProcess(pid int, inodes map[uint32]bool) ([]*Socket, error) {
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			return nil, nil
		}
		return nil, err
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		if errors.Is(err, unix.ESRCH) {
			return nil, nil
		}
		return nil, err
	}
	defer func() { _ = unix.Close(pidfd) }() // nothing was written to it
	// The kernel's table shows a Multipath TCP socket by its subflow, which
	// has another inode: if not all are found by number, all sockets are asked.
	var others, matching []int
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		link, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/fd/" + e.Name())
		if err != nil {
			continue // closed meanwhile
		}
		inode, ok := holders.ParseLink(link)
		switch {
		case ok && inodes[inode]:
			matching = append(matching, fd)
		case ok:
			others = append(others, fd)
		}
	}
	if len(matching) < len(inodes) {
		matching = append(matching, others...)
	}
	var out []*Socket
	for _, fd := range matching {
		if len(f.seen) >= Max {
			break
		}
		if k := f.one(pidfd, fd); k != nil {
			out = append(out, k)
		}
	}
	return out, nil
}

// one duplicates a process's descriptor if it listens in the home.
func (f *Search) one(pidfd, fd int) *Socket {
	own, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return nil // closed meanwhile, or not ours to look into
	}
	s, ours, err := socket.Inspect(own, f.netns)
	if err == nil && ours && s.Proto == loopback.TCP && !f.seen[s.Cookie] {
		listens, err := unix.GetsockoptInt(own, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		at, errLocal := s.Local()
		if err == nil && listens != 0 && errLocal == nil && f.router.IsHere(loopback.TCP, at) {
			f.seen[s.Cookie] = true
			return &Socket{S: s, v6only: s.V6Only()}
		}
	}
	_ = unix.Close(own) // a duplicate
	return nil
}
