package serving

import (
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

// listening returns a service that listens with that handler of connections.
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

// within reports whether ok is true within a minute.
func within(ok func() bool) bool {
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
