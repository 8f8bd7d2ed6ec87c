package explain

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/gather"
	"lodge/internal/explain/render"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// asLodge makes a puppet a program called lodge that carries out a command.
func asLodge(t *testing.T, command string) func(*exec.Cmd) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	name := filepath.Join(t.TempDir(), "lodge")
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o700)
	if err == nil {
		_, err = io.Copy(to, from)
	}
	if err == nil {
		err = to.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(c *exec.Cmd) { c.Path, c.Args = name, []string{name, command} }
}

// A keeper holds a socket of its project's home for a service.
func TestWhatLodgeHoldsIsExplainedByItsService(t *testing.T) {
	const home = "127.83.20.9"
	keeper := start(t, "listen "+home+":14301", asLodge(t, "keeper"))
	status := 3
	projects := func(s *gather.Source) {
		s.Projects = []facts.Project{{
			Name: "shop", Path: "/p/shop", Home4: netip.MustParseAddr(home), Engine: loopback.Seccomp, KeeperPID: keeper.Pid,
			Services: []facts.Service{
				{Name: "api", State: "ready", Ports: []uint16{14300}},
				{Name: "web", State: "failed", Ended: true, Exit: &status, Reason: "ended with status 3", Ports: []uint16{14301}},
			},
		}}
		s.Homes = []sockets.Home{{Project: "shop", ID: "x", IP4: netip.MustParseAddr(home)}}
		s.Tail = func(path, service string) []string {
			if path != "/p/shop" || service != "web" {
				t.Errorf("the log of %s in %s was read", service, path)
			}
			return []string{"one", "\x1b[31mcannot\x1b[0m go on"}
		}
	}
	for _, input := range []string{home + ":14301", ":14301", "listen tcp " + home + ":14301: bind: address already in use"} {
		f, r := explained(t, input, projects)
		if v := Victims(f); len(v) != 0 {
			t.Errorf("%s: the keeper is offered: %+v", input, v)
		}
		for _, c := range r.Causes {
			if slices.Contains(c.PIDs, keeper.Pid) {
				t.Errorf("%s: cause %s wants the keeper's end", input, c.Code)
			}
		}
		if !strings.Contains(r.Answer, "keeps it for service web of project shop") {
			t.Errorf("%s: %s", input, r.Answer)
		}
		s := r.Service
		if s == nil || s.Name != "web" || s.State != "failed" || s.Exit == nil || *s.Exit != 3 || !s.Held || len(s.Log) != 2 {
			t.Fatalf("%s: service %+v", input, s)
		}
		if !slices.Contains(r.Lines, render.Line{Label: "log", Text: "cannot go on"}) || !slices.Contains(r.Lines, render.Line{Label: "service", Text: "web of project shop, failed, exit status 3: ended with status 3"}) {
			t.Errorf("%s: %v", input, r.Lines)
		}
		if why := NoVictim(f); why == nil || !strings.Contains(why.Error(), "service web of project shop") || !strings.Contains(why.Hint, "lodge down web") {
			t.Errorf("%s: %+v", input, why)
		}
	}
	// A process of the service holds it too: that is the one.
	f, _ := explained(t, home+":14301", projects)
	server := &sockets.Process{PID: os.Getpid(), Name: "node", Start: 7}
	f.Rows[0].Processes = append(f.Rows[0].Processes, server)
	if v := Victims(f); len(v) != 1 || v[0].PID != server.PID {
		t.Errorf("%+v", v)
	}
}

func TestLodgesOwnPort(t *testing.T) {
	daemon := start(t, "listen 127.0.0.1:14302", asLodge(t, "daemon"))
	f, r := explained(t, ":14302", func(s *gather.Source) {
		s.Projects = []facts.Project{{Name: "shop", Path: "/p/shop", Home4: netip.MustParseAddr("127.83.20.9"), Services: []facts.Service{{Name: "web", State: "ready", URL: "https://web.shop.localhost:14302"}}}}
	})
	if len(Victims(f)) != 0 || !strings.Contains(r.Answer, fmt.Sprintf("lodge (pid %d), which serves the names of projects there", daemon.Pid)) {
		t.Errorf("%s\n%+v", r.Answer, Victims(f))
	}
	if !slices.Contains(r.Lines, render.Line{Label: "serves", Text: "https://web.shop.localhost:14302"}) {
		t.Errorf("%v", r.Lines)
	}
	if why := NoVictim(f); why == nil || !strings.Contains(why.Error(), "names of projects") || why.Hint == "" {
		t.Errorf("%+v", why)
	}
}
