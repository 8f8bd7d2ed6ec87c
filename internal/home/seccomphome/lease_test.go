package seccomphome

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/loopback"
)

func TestLease(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	const port = 51000
	if err := h.Lease("web", port); err != nil {
		t.Fatal(err)
	}
	if err := h.Lease("web", port); err != nil {
		t.Error("again:", err)
	}
	if err := h.Lease("other", port); !errors.Is(err, unix.EADDRINUSE) {
		t.Error("another service:", err)
	}
	at := fmt.Sprintf("%v:%d", h.spec.IP4, port)
	if l, err := net.Listen("tcp4", at); err == nil {
		_ = l.Close()
		t.Error("somebody outside took a leased port")
	}
	if got := py(t, h, "other", `
print(name(socket().bind, ('127.0.0.1', 51000)), name(socket(AF_INET6).bind, ('::', 51000)))
s = socket(); s.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1); print(name(s.bind, ('127.0.0.1', 51000)))
u = socket(AF_INET, SOCK_DGRAM); print(name(u.bind, ('127.0.0.1', 51000)))`).rest(); got != "EADDRINUSE EADDRINUSE\nEADDRINUSE\nok" {
		t.Error(got)
	}
	for range 3 {
		if got, want := <-h.Conflicts(), (home.Conflict{Service: "other", Protocol: loopback.TCP, Port: port}); got != want {
			t.Errorf("conflict %+v, want %+v", got, want)
		}
	}
	// The service itself, with nothing set, twice in a row; and IPv6.
	for _, script := range []string{"s = socket()", "s = socket()", "s = socket(AF_INET6)"} {
		p := py(t, h, "web", script+`
print(name(s.bind, ('127.0.0.1' if s.family == AF_INET else '::', 51000))); print(name(s.listen))
c = socket(); c.connect(('127.0.0.1', 51000)); print(show(s.accept()[0].getsockname()))
print(name(socket().bind, ('127.0.0.1', 51000)))
sys.stdin.readline()`)
		p.expect("ok")
		p.expect("ok")
		if got := p.line(); got != "127.0.0.1 51000" && got != "::ffff:127.0.0.1 51000" {
			t.Error(got)
		}
		p.expect("EADDRINUSE") // a second bind of its own
		list, err := h.Endpoints()
		if err != nil || len(list) != 1 || list[0].Service != "web" {
			t.Errorf("endpoints %v, %v", list, err)
		}
		p.say("")
		p.rest()
	}
	if err := h.Lease("web", port+1); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := h.Release(port + 1); err != nil {
			t.Error(err)
		}
	}
	if got := py(t, h, "other", `
s = socket(); print(name(s.bind, ('127.0.0.1', 51001)))`).rest(); got != "ok" {
		t.Error("after release:", got)
	}
	if err := h.Lease("web", 0); !errors.Is(err, unix.EINVAL) {
		t.Error("port 0:", err)
	}
	taken, err := net.Listen("tcp4", fmt.Sprintf("%v:0", h.spec.IP4))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := h.Lease("web", uint16(taken.Addr().(*net.TCPAddr).Port)); !errors.Is(err, unix.EADDRINUSE) {
		t.Error("taken port:", err)
	}
}
