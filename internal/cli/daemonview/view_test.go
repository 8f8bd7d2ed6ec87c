package daemonview

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/cli/kit"
	"lodge/internal/owners"
	"lodge/internal/sockets"
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

// What is asked before is answered later, and the owners with it.
func TestBegin(t *testing.T) {
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
	table := &owners.Table{Processes: []owners.Process{{PID: 7}}, Holdings: []owners.Holding{{Inode: 4711}}}
	asked := make(chan string, 8)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.RequestURI
		if r.URL.Path == "/v1/owners" {
			_, _ = w.Write(table.Append(nil))
			return
		}
		_, _ = io.WriteString(w, `{"projects":[{"id":"i","name":"shop","home":"127.70.0.1","services":[]}]}`+"\n")
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ln)
	}()
	defer func() { _ = server.Close(); <-done }()
	l := Begin(t.Context(), &kit.Kit{Env: kit.Env{Environ: []string{"XDG_RUNTIME_DIR=" + base, "HOME=" + base}}})
	defer l.Close()
	if got := <-asked; got != "/v1/projects?all=false" {
		t.Errorf("asked %q", got)
	}
	if got := <-asked; got != "/v1/owners" { // before an answer is read
		t.Errorf("asked %q", got)
	}
	a := l.Query(sockets.Query{}).Asked.Answers(t.Context())
	if len(l.Projects) != 1 || len(a.Homes) != 1 || a.Homes[0].Project != "shop" || a.Live == nil || len(l.Warnings) > 0 {
		t.Errorf("%+v, %+v", a, l)
	}
	if a.OwnersErr != nil || len(a.Owners.Holders(4711)) != 1 {
		t.Errorf("%+v, %v", a.Owners, a.OwnersErr)
	}
	select {
	case got := <-asked:
		t.Errorf("asked again: %q", got)
	default:
	}
}
