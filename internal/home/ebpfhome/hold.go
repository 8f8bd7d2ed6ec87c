package ebpfhome

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/sockets/holders"
)

// held is a listening socket of a service that this process keeps open, as a
// duplicate, while the service is exchanged: connections wait in its queue.
// When the next process of the service listens on the port, both are one
// SO_REUSEPORT group, and closing this one hands its queue to the other.
type held struct {
	service string
	at      netip.AddrPort
	inode   uint32
	fd      int
	leased  bool // the table of leases had the port before
}

// duplicates takes those sockets of want that pid has open, and strikes them
// out.
func duplicates(pid int, service string, want map[uint32]netip.AddrPort) []*held {
	has, err := holders.ProcessSockets(pid)
	if err != nil {
		return nil
	}
	some := false
	for inode := range has {
		_, ok := want[inode]
		some = some || ok
	}
	if !some {
		return nil
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(pidfd)
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []*held
	for _, n := range names {
		fd, err := strconv.Atoi(n.Name())
		if err != nil {
			continue
		}
		inode, ok := socketInode(dir + "/" + n.Name())
		at, wanted := want[inode]
		if !ok || !wanted {
			continue
		}
		dup, err := unix.PidfdGetfd(pidfd, fd, 0)
		if err != nil {
			continue
		}
		unix.CloseOnExec(dup)
		if again, ok := socketInode(fmt.Sprintf("/proc/self/fd/%d", dup)); !ok || again != inode {
			_ = unix.Close(dup) // the program used the number for something else meanwhile
			continue
		}
		delete(want, inode)
		out = append(out, &held{service: service, at: at, inode: inode, fd: dup})
	}
	return out
}

// socketInode reads a link in /proc/PID/fd.
func socketInode(path string) (uint32, bool) {
	link, err := os.Readlink(path)
	if err != nil {
		return 0, false
	}
	return holders.ParseLink(link)
}
