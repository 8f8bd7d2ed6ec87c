package daemonview

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/cli/kit"
)

// Who looks starts nothing and makes nothing.
func TestLookWithoutDaemon(t *testing.T) {
	base := t.TempDir()
	a := &kit.Kit{Env: kit.Env{Environ: []string{"XDG_RUNTIME_DIR=" + base, "HOME=" + base}}}
	l := Open(t.Context(), a)
	defer l.Close()
	if l.Live != nil || len(l.Homes) > 0 || len(l.Warnings) > 0 {
		t.Errorf("got %+v", l)
	}
	if ents, _ := os.ReadDir(base); len(ents) > 0 {
		t.Errorf("made %v", ents)
	}
}

func TestLookAtDaemonThatTalksNonsense(t *testing.T) {
	base, err := os.MkdirTemp("", "lk") // short: it is part of a socket's address
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	if err := os.Mkdir(filepath.Join(base, "lodge"), 0o700); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", filepath.Join(base, "lodge/lodge.sock"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("hello\n"))
			_ = c.Close()
		}
	}()
	defer func() { _ = ln.Close(); <-done }()
	a := &kit.Kit{Env: kit.Env{Environ: []string{"XDG_RUNTIME_DIR=" + base, "HOME=" + base}}}
	l := Open(t.Context(), a)
	defer l.Close()
	if len(l.Warnings) != 1 || !strings.HasPrefix(l.Warnings[0], "projects are not named: ask daemon: ") {
		t.Errorf("got %q", l.Warnings)
	}
}
