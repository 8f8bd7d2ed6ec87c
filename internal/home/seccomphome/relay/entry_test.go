package relay

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home/feed"
	"lodge/internal/home/seccomphome/socket"
)

// tapped returns a relay with a tap, and what ends it.
func tapped(t *testing.T) (r *Relay, end func()) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range pair {
		f := os.NewFile(uintptr(fd), "tap")
		c, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
	}
	r = New()
	t.Cleanup(r.Close)
	if err := r.Tap(conns[0]); err != nil {
		t.Fatal(err)
	}
	return r, func() {
		_ = conns[1].CloseWrite()
		_, _ = io.Copy(io.Discard, conns[1])
		_ = conns[1].Close()
	}
}

// program returns a socket that is not connected.
func program(t *testing.T) *socket.Socket {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return &socket.Socket{FD: fd, Domain: unix.AF_INET, Raw: unix.IPPROTO_TCP}
}

// A program that gives up before it is connected leaves no connection at the service, and
// no listener of the relay when the taps have ended.
func TestProgramThatNeverComes(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	to := netip.MustParseAddrPort(ln.Addr().String())
	r, end := tapped(t)
	r.patience = time.Millisecond
	p, why := r.Open(program(t), netip.AddrPort{}, to, feed.Opening{})
	if p == nil {
		t.Fatal(why)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.Connected(netip.MustParseAddrPort("127.0.0.1:1"), false)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the service reads %v", err)
	}
	end()
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp4", p.At.String())
		if errors.Is(err, unix.ECONNREFUSED) {
			break
		}
		if err == nil {
			_ = c.Close()
		}
		if time.Since(begin) > time.Minute {
			t.Fatal("the listener stays")
		}
	}
}

// A tap that ends while a program connects leaves no listener.
func TestTapThatEndsWhileConnecting(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	to := netip.MustParseAddrPort(ln.Addr().String())
	r, end := tapped(t)
	p, why := r.Open(program(t), netip.AddrPort{}, to, feed.Opening{})
	if p == nil {
		t.Fatal(why)
	}
	end()
	for begin := time.Now(); r.On(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatal("the tap stays")
		}
	}
	if q, why := r.Open(program(t), netip.AddrPort{}, to, feed.Opening{}); q != nil || why != feed.Failed {
		t.Errorf("a program is led without a tap: %q", why)
	}
	p.Cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.entries) != 0 || len(r.real) != 0 {
		t.Errorf("%d entries, %d addresses stay", len(r.entries), len(r.real))
	}
}
