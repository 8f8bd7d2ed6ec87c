package main

import (
	"fmt"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls on the measured road are raw: Go's scheduler is not told of them,
// so it does not hand this thread's place to another while they block.

// readSome reads once. 0 is the end, or a reset, which is how connections end
// here, or a reset that connect told of already.
func readSome(fd int, b []byte) (int, error) {
	for {
		n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch e {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.ECONNRESET, unix.ENOTCONN:
			return 0, nil
		default:
			return 0, fmt.Errorf("read: %w", e)
		}
	}
}

// readAll fills b; io.EOF if the other side ends first.
func readAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := readSome(fd, b)
		if err != nil {
			return err
		}
		if n == 0 {
			return io.EOF
		}
		b = b[n:]
	}
	return nil
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return fmt.Errorf("write: %w", e)
		}
		b = b[n:]
	}
	return nil
}

func socket() (int, error) {
	fd, _, e := unix.RawSyscall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if e != 0 {
		return 0, fmt.Errorf("socket: %w", e)
	}
	return int(fd), nil
}

// dial connects a new socket. A connect that a signal interrupts goes on
// behind the scenes (connect(2)); it is waited for. The server may have
// accepted and reset the connection before this side was awake again.
func dial(to *unix.RawSockaddrInet4) (int, error) {
	fd, err := socket()
	if err != nil {
		return 0, err
	}
	for {
		_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(to)), unix.SizeofSockaddrInet4)
		switch e {
		case 0, unix.EISCONN, unix.ECONNRESET:
			return fd, nil
		case unix.EINTR, unix.EALREADY:
		default:
			shut(fd)
			return 0, fmt.Errorf("connect: %w", e)
		}
	}
}

// accept takes the peer's address too, as servers do.
func accept(ln int) (int, error) {
	var from unix.RawSockaddrAny
	for {
		size := uint32(unsafe.Sizeof(from))
		fd, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(ln), uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)), unix.SOCK_CLOEXEC, 0, 0)
		switch e {
		case 0:
			return int(fd), nil
		case unix.EINTR, unix.ECONNABORTED:
		default:
			return 0, fmt.Errorf("accept: %w", e)
		}
	}
}

// shutByReset closes so that neither side keeps the pair of ports (TIME_WAIT):
// many thousands of connections are made in a run.
func shutByReset(fd int) {
	l := unix.Linger{Onoff: 1}
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&l)), unix.SizeofLinger, 0)
	shut(fd)
}

func shut(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// noDelay sends each write at once.
func noDelay(fd int) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

func raw(sa *unix.SockaddrInet4) *unix.RawSockaddrInet4 {
	// The port is in network byte order (ip(7)).
	return &unix.RawSockaddrInet4{Family: unix.AF_INET, Port: uint16(sa.Port>>8) | uint16(sa.Port)<<8, Addr: sa.Addr}
}
