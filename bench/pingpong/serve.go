package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// serve listens, and does what its one client orders until either that or
// the process that started it is gone.
func serve(sa *unix.SockaddrInet4) error {
	ln, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := unix.SetsockoptInt(ln, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Bind(ln, sa); err != nil {
		return fmt.Errorf("bind port %d: %w", sa.Port, err)
	}
	if err := unix.Listen(ln, 2*batch); err != nil {
		return os.NewSyscallError("listen", err)
	}
	if _, err := fmt.Println("ready"); err != nil {
		return err
	}
	// What started this program closes its input when no client will come.
	fds := []unix.PollFd{{Fd: int32(ln), Events: unix.POLLIN}, {Fd: 0, Events: unix.POLLIN}}
	for fds[0].Revents == 0 {
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
		if fds[1].Revents != 0 && fds[0].Revents == 0 {
			return nil
		}
	}
	ctl, err := accept(ln)
	if err != nil {
		return err
	}
	if err := noDelay(ctl); err != nil {
		return err
	}
	s := server{ln: ln, ctl: ctl, buf: make([]byte, maxBytes)}
	b := make([]byte, orderBytes)
	for {
		if err := readAll(ctl, b); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := s.do(parseOrder(b)); err != nil {
			return err
		}
	}
}

type server struct {
	ln, ctl int
	buf     []byte
}

func (s *server) do(o order) error {
	if err := pin(o.cpu); err != nil {
		return err
	}
	switch o.what {
	case 'r':
		if o.count == 0 || o.count > maxBytes {
			return fmt.Errorf("answer messages of %d bytes: too many", o.count)
		}
		return s.echo(s.buf[:o.count])
	case 't':
		return s.take()
	case 'c':
		return s.connections(o.count)
	}
	return fmt.Errorf("obey order %q: unknown", o.what)
}

// echo answers each message until the connection ends.
func (s *server) echo(msg []byte) error {
	fd, err := accept(s.ln)
	if err != nil {
		return err
	}
	defer shut(fd)
	if err := noDelay(fd); err != nil {
		return err
	}
	for {
		if err := readAll(fd, msg); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := writeAll(fd, msg); err != nil {
			return err
		}
	}
}

// take reads a stream to its end, times each chunk of it, and sends the median
// to the client.
func (s *server) take() error {
	fd, err := accept(s.ln)
	if err != nil {
		return err
	}
	defer shut(fd)
	ns := make([]uint32, 0, 1<<16)
	base := time.Now()
	var last time.Duration
	had := 0
	for chunks := 0; ; {
		n, err := readSome(fd, s.buf[:writeBytes])
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if had += n; had < chunkBytes {
			continue
		}
		had -= chunkBytes
		t := time.Since(base)
		// The first ones open the window.
		if chunks++; chunks > 8 && len(ns) < cap(ns) {
			ns = append(ns, uint32(t-last))
		}
		last = t
	}
	b := make([]byte, 4)
	binary.LittleEndian.PutUint32(b, median(ns))
	return writeAll(s.ctl, b)
}

// connections accepts and ends n connections.
func (s *server) connections(n uint32) error {
	for range n {
		fd, err := accept(s.ln)
		if err != nil {
			return err
		}
		shutByReset(fd)
	}
	return nil
}
