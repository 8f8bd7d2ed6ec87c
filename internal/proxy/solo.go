package proxy

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A client that is the only one, and whose requests follow each other closely,
// such as a program that asks in a loop, is waited for in the system call
// itself for a moment. To give its goroutine's processor away and take it back
// wakes two more of Go's threads each time, which costs more than the request.
// Whoever comes in that moment waits for as long.

const (
	// soloAfter is how many requests must have come one after the other.
	soloAfter = 16
	// soloWait is the moment, in nanoseconds.
	soloWait = 150_000
)

// solo counts the requests that a connection has had since another one had one,
// or since it was last waited for in vain.
type solo struct{ n int }

// count notes a request of this connection.
func (c *h1conn) count() {
	if c.e.latest.Load() == c {
		c.solo.n++
		return
	}
	c.e.latest.Store(c)
	c.solo.n = 0
}

// is reports whether the connection is the only one at the moment.
func (s *solo) is() bool { return s != nil && s.n >= soloAfter }

// await waits for something to read, and reports whether there is.
func (s *solo) await(fd uintptr) bool {
	p := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}
	limit := unix.Timespec{Nsec: soloWait}
	n, _, _ := syscall.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if n == 1 {
		return true
	}
	s.n = 0
	return false
}
