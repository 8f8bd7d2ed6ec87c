package supervisor

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"lodge/internal/service"
)

// TestPortHeldOutside: the program says that an address is in use, and not which;
// the kernel says who has it.
func TestPortHeldOutside(t *testing.T) {
	ln, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	r := newRig(t)
	r.define(r.spec("web", fmt.Sprintf("echo OSError: Address already in use; exit 1; serve 1 %d", port), restarts("never"), listens))
	e := fails(t, r.Up(r.ctx, nil), "web", fmt.Sprintf("port %d is taken outside by", port))
	if me := fmt.Sprintf("(process %d)", os.Getpid()); !strings.Contains(e.Cause, me) || !strings.Contains(e.Hint, "127.0.0.1 only") {
		t.Errorf("cause %q, hint %q", e.Cause, e.Hint)
	}
	// One on 127.0.0.1 is in nobody's way.
	other, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	port = other.Addr().(*net.TCPAddr).Port
	r.define(r.spec("web", fmt.Sprintf("echo EADDRINUSE; exit 1; serve %d", port), restarts("never"), listens))
	if e := fails(t, r.Up(r.ctx, nil), "web", "ended with status 1"); strings.Contains(e.Cause, "taken") {
		t.Errorf("cause %q", e.Cause)
	}
}

// TestPortHeldOutsideIsToldAtOnce: who has the port is told while the service is
// tried again, and not only after the last try.
func TestPortHeldOutsideIsToldAtOnce(t *testing.T) {
	ln, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	r := newRig(t)
	r.define(r.spec("web", fmt.Sprintf("echo OSError: Address already in use; exit 1; serve 1 %d", port), listens))
	ctx, cancel := context.WithCancel(r.ctx)
	upped := make(chan error, 1)
	go func() { upped <- r.Up(ctx, nil) }()
	if st := r.awaitState("web", service.Backoff); !strings.Contains(st.Reason, fmt.Sprintf("; port %d is taken outside by", port)) || !strings.Contains(st.Reason, "; next start in") {
		t.Errorf("reason %q", st.Reason)
	}
	cancel()
	if err := <-upped; err == nil {
		t.Error("it came up")
	}
}
