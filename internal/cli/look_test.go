package cli

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lodge/internal/localapi"
	"lodge/internal/sockets"
)

func TestHomesOf(t *testing.T) {
	got := localapi.Homes([]localapi.Project{
		{Name: "shop", ID: "a", Home: "127.83.20.7", Home6: "fd00::1"},
		{Name: "nothing", ID: "b", Home: "somewhere"},
		{Name: "fix", ID: "c", Home: "127.83.20.8"},
	})
	want := []sockets.Home{
		{Project: "shop", ID: "a", IP4: netip.MustParseAddr("127.83.20.7"), IP6: netip.MustParseAddr("fd00::1")},
		{Project: "fix", ID: "c", IP4: netip.MustParseAddr("127.83.20.8")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// Who looks starts nothing and makes nothing.
func TestLookWithoutDaemon(t *testing.T) {
	base := t.TempDir()
	a := &app{env: Env{Environ: []string{"XDG_RUNTIME_DIR=" + base, "HOME=" + base}}}
	l := a.look(t.Context())
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
	a := &app{env: Env{Environ: []string{"XDG_RUNTIME_DIR=" + base, "HOME=" + base}}}
	l := a.look(t.Context())
	defer l.Close()
	if len(l.Warnings) != 1 || !strings.HasPrefix(l.Warnings[0], "projects are not named: ask daemon: ") {
		t.Errorf("got %q", l.Warnings)
	}
}
