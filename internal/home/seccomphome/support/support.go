// Package support finds out whether homes of the engine seccomp can be made here.
package support

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/processes"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// probeTimeout bounds each wait of the probe, in milliseconds.
const probeTimeout = 5000

// Check reports whether this kernel, and the sandbox that this process may be in,
// allow a home, and if not, why. It tries it: a thread of this process that is
// thrown away afterwards sets a filter on itself, makes a call, and is
// answered in the way that a home answers.
func Check() (ok bool, reason string) {
	if err := probe(); err != nil {
		return false, err.Error()
	}
	return true, ""
}

func probe() error {
	action := uint32(unix.SECCOMP_RET_USER_NOTIF)
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action))); errno != 0 {
		return fmt.Errorf("seccomp user notification (Linux 5.0): %w", errno)
	}
	var sizes [3]uint16
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&sizes))); errno != 0 {
		return fmt.Errorf("seccomp notification sizes: %w", errno)
	}
	if sizes[0] != uint16(unsafe.Sizeof(unotify.Notification{})) || sizes[1] != uint16(unsafe.Sizeof(unotify.Response{})) {
		return fmt.Errorf("seccomp notification of %d and %d bytes: this kernel is too new", sizes[0], sizes[1])
	}
	if _, err := processes.Filters(); err != nil {
		return err
	}
	conn, err := diag.Open()
	if err != nil {
		return err
	}
	_, _, err = conn.Lookup(loopback.TCP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1))
	if err = errors.Join(err, conn.Close()); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written to it
	return probeThread(fd)
}

// probeCaller is what the thread that is thrown away tells.
type probeCaller struct {
	listener int
	err      error
	result   chan unix.Errno
}

func probeThread(fd int) error {
	callers := make(chan probeCaller, 1)
	go onSpareThread(func() { probeFilter(fd, callers) })
	c := <-callers
	if c.err != nil {
		return c.err
	}
	err := probeAnswer(c.listener, fd)
	// Without a listener the call ends with ENOSYS, so this never waits.
	err = errors.Join(err, unix.Close(c.listener))
	if errno := <-c.result; err == nil && errno != unix.EADDRNOTAVAIL {
		err = fmt.Errorf("answer seccomp notification: the call returned %w", errno)
	}
	return err
}

// onSpareThread runs f on a thread that ends with it. The process's first
// thread cannot end, so it is kept busy meanwhile where it is the one.
func onSpareThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != os.Getpid() {
		f()
		return // locked: the thread ends with the goroutine
	}
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer close(done)
		f()
	}()
	<-done
	runtime.UnlockOSThread()
}

// probeFilter sets the filter, tells of it, and makes one call under it.
func probeFilter(fd int, callers chan<- probeCaller) {
	listener, err := probeInstall()
	result := make(chan unix.Errno, 1)
	callers <- probeCaller{listener: listener, err: err, result: result}
	if err == nil {
		result <- unotify.NewAddress(unix.AF_INET, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 1)).Bind(fd)
	}
}

func probeInstall() (int, error) {
	code, err := unotify.Filter(true)
	if err != nil {
		return -1, err
	}
	if err := unotify.NoNewPrivs(); err != nil {
		return -1, fmt.Errorf("set no_new_privs: %w", err)
	}
	listener, err := unotify.Install(code)
	if errors.Is(err, unix.EBUSY) {
		return -1, fmt.Errorf("set filter: already inside a home or a sandbox that has a listener: %w", err)
	}
	if err != nil {
		return -1, fmt.Errorf("set filter: %w", err)
	}
	return listener, nil
}

// probeAnswer does what a supervisor does, and refuses the call.
func probeAnswer(listener, fd int) error {
	p := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}} //nolint:gosec // a descriptor
	n, err := unix.Poll(p, probeTimeout)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Poll(p, probeTimeout)
	}
	if err == nil && n == 0 {
		err = unix.ETIMEDOUT
	}
	if err != nil {
		return fmt.Errorf("wait for seccomp notification: %w", err)
	}
	var got unotify.Notification
	if errno := unotify.Receive(listener, &got); errno != 0 {
		return fmt.Errorf("receive seccomp notification: %w", errno)
	}
	if got.NR != unix.SYS_BIND {
		return fmt.Errorf("receive seccomp notification: of call %d", got.NR)
	}
	var cache unotify.Handles
	defer cache.Close()
	dup, err := cache.Duplicate(got.TID, fd)
	if err != nil {
		return fmt.Errorf("duplicate socket (pidfd_getfd): %w", err)
	}
	_ = unix.Close(dup)                                                                      // nothing was written to it
	if _, err := unotify.ReadAddress(got.TID, got.Args[1], int32(got.Args[2])); err != nil { //nolint:gosec // a C int
		return fmt.Errorf("read memory of another process (process_vm_readv): %w", err)
	}
	if !unotify.Valid(listener, got.ID) {
		return errors.New("check seccomp notification: not valid")
	}
	r := unotify.Fail(unix.EADDRNOTAVAIL).Response(got.ID)
	if errno := unotify.Respond(listener, &r); errno != 0 {
		return fmt.Errorf("answer seccomp notification: %w", errno)
	}
	return nil
}
