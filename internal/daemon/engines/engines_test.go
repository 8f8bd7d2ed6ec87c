package engines

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/daemon/helperconn"
	"lodge/internal/helper"
	"lodge/internal/helperapi"
	"lodge/internal/loopback"
)

// TestMain also is the helper that the connection starts.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == helperapi.ProgramName {
		if err := helper.Main(context.Background(), os.Args[1:], os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// startHelper returns a connection to a helper of the test's own.
func startHelper(t *testing.T) *helperconn.Conn {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: its helper makes cgroups and loads eBPF programs")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), helperapi.ProgramName)
	if err := os.Symlink(exe, program); err != nil {
		t.Fatal(err)
	}
	c := helperconn.New(helperconn.Options{Program: program})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// That ebpf did not work once is not remembered for good, and that somebody
// stopped waiting not at all.
func TestInabilityPasses(t *testing.T) {
	helper := startHelper(t)
	e := New(helper)
	defer e.Close()
	for _, err := range []error{context.Canceled, context.DeadlineExceeded} {
		e.Failed(err)
		if engine, why, cerr := e.Choose(t.Context(), ""); engine != loopback.EBPF || cerr != nil {
			t.Errorf("after %v: %s (%s), %v", err, engine, why, cerr)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := helper.Client(ctx); err == nil {
		t.Error("a helper for a client that has gone")
	}
	e.Failed(unix.ENOSPC)
	engine, why, err := e.Choose(t.Context(), "")
	if engine == loopback.EBPF || err != nil || !strings.Contains(why, "no space left") || !strings.Contains(why, "tried again") {
		t.Errorf("with a full disk: %s (%s), %v", engine, why, err)
	}
	e.mu.Lock()
	e.cannotAt = e.cannotAt.Add(-retry)
	e.mu.Unlock()
	if engine, why, err := e.Choose(t.Context(), ""); engine != loopback.EBPF || err != nil {
		t.Errorf("later: %s (%s), %v", engine, why, err)
	}
}

func TestUsableHome(t *testing.T) {
	ip := loopback.HomeFor(t.Name(), 0)
	if err := UsableHome(ip); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := UsableHome(ip); err == nil || !strings.Contains(err.Error(), "somebody listens on "+ip.String()) {
		t.Errorf("got %v", err)
	}
}
