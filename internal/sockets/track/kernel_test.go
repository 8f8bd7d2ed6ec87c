package track

import (
	"context"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"lodge/internal/sockets"
)

// The kernel's own sockets: one is opened, connected to and closed, and each is
// seen once, with its ends and its process.
func TestKernelSockets(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(l.Addr().String())
	tr := New(Options[int]{Interval: 5 * time.Millisecond, Demand: true, Read: func(ctx context.Context) (*sockets.Table, int, error) {
		table, err := sockets.List(ctx, sockets.Query{Protocols: []string{"tcp"}, Filter: sockets.Filter{Ports: []uint16{at.Port()}, Addresses: []netip.Prefix{netip.PrefixFrom(at.Addr(), 32)}}})
		return table, 0, err
	}})
	s := tr.Subscribe(SubscribeOptions{Changes: true})
	defer s.Close()
	next(t, s)
	wait := func(what string, ok func(Change) bool) {
		t.Helper()
		for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
			u := next(t, s)
			if u.Err != nil {
				t.Fatal(u.Err)
			}
			for _, c := range u.Changes {
				if ok(c) {
					return
				}
			}
		}
		t.Fatalf("not seen: %s", what)
	}
	c, err := net.Dial("tcp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	local := netip.MustParseAddrPort(c.LocalAddr().String())
	wait("the connection", func(c Change) bool {
		return c.Kind == Open && c.Local == local && c.Remote == at && c.Protocol == "tcp" && c.State == "established" && c.Was == "" &&
			c.PID == os.Getpid() && c.Start != 0 && c.Command != ""
	})
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	wait("accept", func(c Change) bool {
		return c.Kind == Holder && c.Local == at && c.Remote == local && c.PID == os.Getpid()
	})
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	wait("the server's close", func(c Change) bool {
		return c.Kind == State && c.Local == local && c.State == "close_wait" && c.Was == "established" && c.PID == os.Getpid()
	})
	_, _ = c.Close(), l.Close()
	wait("the listener's close", func(c Change) bool {
		return c.Kind == Close && c.Local == at && !c.Remote.IsValid() && c.State == "listen" && c.PID == os.Getpid()
	})
}
