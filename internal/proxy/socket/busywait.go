package socket

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A client that is the only one, and whose requests follow each other closely,
// such as a program that asks in a loop, is waited for in the system call
// itself for a moment. To give its goroutine's processor away and take it back
// wakes two more of Go's threads each time, which costs more than the request.
// Any other client that comes in that moment waits for as long.

const (
	// BusyAfter is how many requests must have come one after the other.
	BusyAfter = 16
	// BusyTime is the moment, in nanoseconds.
	BusyTime = 150_000
)

// BusyWait counts consecutive requests on one connection. It restarts when another
// connection is used or a wait times out. Nil never waits.
type BusyWait struct{ n int }

// Add counts a request.
func (w *BusyWait) Add() { w.n++ }

// Reset restarts the count.
func (w *BusyWait) Reset() { w.n = 0 }

// On reports whether enough requests have come to wait for the next.
func (w *BusyWait) On() bool { return w != nil && w.n >= BusyAfter }

// Wait waits for something to read, and reports whether there is.
func (w *BusyWait) Wait(fd uintptr) bool {
	p := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}
	limit := unix.Timespec{Nsec: BusyTime}
	n, _, _ := syscall.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if n == 1 {
		return true
	}
	w.n = 0
	return false
}
