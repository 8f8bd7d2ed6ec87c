package daemon

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

// listening gives a service that listens with that handler of connections.
func listening(t *testing.T, name string, inode uint32, serve func(net.Listener)) *service.Status {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); serve(ln) }()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	at := netip.MustParseAddrPort(ln.Addr().String())
	return &service.Status{Name: name, State: service.Up, Endpoints: []loopback.Endpoint{{Protocol: loopback.TCP, IP: at.Addr(), Port: at.Port(), Inode: inode}}}
}

func pages(ln net.Listener) {
	_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
}

// banner is a server of another protocol.
func banner(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("220 ready\r\n"))
		_ = c.Close()
	}
}

func TestTheOneThatSpeaksHTTP(t *testing.T) {
	s := newSpoken()
	defer s.client.CloseIdleConnections()
	a, b, c := listening(t, "a", 1, pages), listening(t, "b", 2, banner), listening(t, "c", 3, pages)
	quiet := &service.Status{Name: "quiet", State: service.Starting}
	one := []*service.Status{b, quiet, a}
	if got := s.only(one); got != nil {
		t.Errorf("before anybody was asked: %v", got.Name)
	}
	if err := s.ask(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if got := s.only(one); got != a {
		t.Errorf("got %v", got)
	}
	two := []*service.Status{a, b, c}
	if err := s.ask(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	if got := s.only(two); got != nil {
		t.Errorf("two speak it: %v", got.Name)
	}
	if got := s.could([]*service.Status{a, b, quiet}); len(got) != 2 || got[0] != a || got[1] != quiet {
		t.Errorf("could be: %v", got)
	}
	// Another socket at the same place is another server.
	again := *a
	again.Endpoints = []loopback.Endpoint{{Protocol: loopback.TCP, IP: a.Endpoints[0].IP, Port: a.Endpoints[0].Port, Inode: 9}}
	if got := s.only([]*service.Status{&again, b}); got != nil {
		t.Errorf("it was not asked: %v", got.Name)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.ask(gone, []*service.Status{&again}); err == nil {
		t.Error("no error from a question that was given up")
	}
	if got := s.only([]*service.Status{&again, b}); got != nil {
		t.Errorf("what was given up counts as an answer: %v", got.Name)
	}
}
