package holders

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// AskV6Only asks a socket that a process has open for IPV6_V6ONLY (ipv6(7)), by
// a duplicate of its descriptor (pidfd_getfd(2), Linux 5.6). /proc/net does not
// tell. It returns false also where the process may not be looked into.
func AskV6Only(pid int, inode uint32) bool {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	names, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(pidfd) }() // nothing was written to it
	for _, n := range names {
		fd, err := strconv.Atoi(n.Name())
		if got, ok := linkInode(dir + "/" + n.Name()); err != nil || !ok || got != inode {
			continue
		}
		dup, err := unix.PidfdGetfd(pidfd, fd, 0)
		if err != nil {
			continue
		}
		// The process may have closed it meanwhile, and opened another.
		again, ok := linkInode(fmt.Sprintf("/proc/self/fd/%d", dup))
		only, err := unix.GetsockoptInt(dup, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		_ = unix.Close(dup) // as above
		if ok && again == inode && err == nil {
			return only != 0
		}
	}
	return false
}

// linkInode returns the inode number of the socket that a link in /proc/PID/fd
// leads to; ok is false where it leads elsewhere.
func linkInode(path string) (inode uint32, ok bool) {
	link, err := os.Readlink(path)
	if err != nil {
		return 0, false
	}
	return ParseLink(link)
}
