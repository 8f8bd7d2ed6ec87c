package lease

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

// engine keeps the ports that it does not refuse.
type engine struct {
	refuse func(uint16) error
	kept   map[uint16]string
}

func (e *engine) Lease(service string, port uint16) error {
	if err := e.refuse(port); err != nil {
		return err
	}
	e.kept[port] = service
	return nil
}

func (e *engine) Release(port uint16) error {
	delete(e.kept, port)
	return nil
}

func newEngine(refuse func(uint16) error) *engine { return &engine{refuse, make(map[uint16]string)} }

func TestPortOfTheEngine(t *testing.T) {
	e := newEngine(func(p uint16) error {
		if p%4 != 0 {
			return unix.EADDRINUSE
		}
		return nil
	})
	l, err := New(e, netip.MustParseAddr("127.93.211.18"), service.Spec{Name: "web", AutoPort: true})
	if err != nil {
		t.Fatal(err)
	}
	if l.Port < loopback.DynamicFirst || l.Port > loopback.DynamicLast || e.kept[l.Port] != "web" || l.Listener != nil {
		t.Errorf("got %+v, kept %v", l, e.kept)
	}
	if l.Drop(e); len(e.kept) != 0 {
		t.Errorf("kept after it was dropped: %v", e.kept)
	}
	// A port that cannot be kept for another reason than its use is not tried again.
	tries := 0
	_, err = New(newEngine(func(uint16) error { tries++; return unix.EPERM }), netip.MustParseAddr("127.93.211.18"), service.Spec{AutoPort: true})
	if !errors.Is(err, unix.EPERM) || tries != 1 {
		t.Errorf("%d tries: %v", tries, err)
	}
}

func TestListeningSocket(t *testing.T) {
	e, ip := newEngine(func(uint16) error { return errors.ErrUnsupported }), netip.MustParseAddr("127.93.211.18")
	l, err := New(e, ip, service.Spec{Name: "web", AutoPort: true, Listen: true})
	if err != nil {
		t.Fatal(err)
	}
	fi, err := l.Listener.Stat()
	if err != nil {
		t.Fatal(err)
	}
	inode := uint32(fi.Sys().(*syscall.Stat_t).Ino)
	if !l.Has(inode) || l.Has(inode+1) || l.Has(0) {
		t.Error("it does not know its own socket")
	}
	at := net.JoinHostPort(ip.String(), strconv.Itoa(int(l.Port)))
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if _, err := New(e, ip, service.Spec{Name: "other", Port: l.Port, Listen: true}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a second one: %v", err)
	}
	l.Drop(e)
	if c, err := net.Dial("tcp", at); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("after it was dropped: %v", err)
		if err == nil {
			_ = c.Close()
		}
	}
}
