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

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

func TestOwn(t *testing.T) {
	for _, c := range []struct {
		exe, name, command, want string
	}{
		{"/usr/bin/lodge", "lodge", "/usr/bin/lodge keeper", "keeper"},
		{"/usr/bin/lodge (deleted)", "lodge", "/usr/bin/lodge keeper", "keeper"},
		{"/opt/lodge-1.2/lodge-1.2", "lodge-1.2", "lodge-1.2 daemon --background", "daemon"},
		{"/usr/bin/lodge", "exe", "/proc/self/exe helper --listen /run/lodge-helper.sock", "helper"},
		{"/usr/bin/lodge", "lodge", "lodge-shim 5", "shim"},
		{"/usr/bin/lodge", "lodge", "lodge exec -- psql", "exec"},
		{"/usr/bin/lodge", "lodge", "", "process"},
		{"/usr/lib/lodge-helper", "lodge-helper", "lodge-helper --listen x", "helper"},
		{"", "lodge", "/usr/bin/lodge daemon", "daemon"}, // another user's
		{"", "lodge", "", "process"},
		{"/srv/booking/lodge", "lodge", "./lodge serve --port 80", ""}, // somebody's own program
		{"/usr/bin/node", "node", "node lodge keeper", ""},
		{"/usr/bin/python3", "lodge", "python3 keeper", ""},
		{"", "node", "", ""},
	} {
		p := &sockets.Process{PID: 1 << 29, Executable: c.exe, Name: c.name, Command: c.command}
		if got := Own(p); got != c.want {
			t.Errorf("%s: %s: %q, want %q", c.exe, c.command, got, c.want)
		}
	}
}

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

// Whoever calls his program lodge, and gives it a keeper's arguments, is not
// spared.
func TestWhoCallsHimselfLodge(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "lodge")
	if err := os.Link(sleep, name); err != nil { // another file system
		b, err := os.ReadFile(sleep)
		if err == nil {
			err = os.WriteFile(name, b, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(name, "1000")
	cmd.Args[0] = "lodge"
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	for _, command := range []string{"lodge keeper", ""} {
		p := &sockets.Process{PID: cmd.Process.Pid, Executable: name, Name: "lodge", Command: command}
		if got := Own(p); got != "" {
			t.Errorf("%q: taken for lodge's %s", command, got)
		}
	}
	p := &sockets.Process{PID: os.Getpid(), Executable: "/usr/bin/lodge", Name: "lodge", Command: "lodge keeper"}
	if got := Own(p); got != "keeper" {
		t.Errorf("this program: %q", got)
	}
}

// A keeper holds a socket of its project's home for a service.
func TestWhatLodgeHoldsIsExplainedByItsService(t *testing.T) {
	const home = "127.83.20.9"
	keeper := start(t, "listen "+home+":14301", asLodge(t, "keeper"))
	status := 3
	projects := func(s *Source) {
		s.Projects = []Project{{
			Name: "shop", Path: "/p/shop", Home4: netip.MustParseAddr(home), Engine: loopback.Seccomp, KeeperPID: keeper.Pid,
			Services: []Service{
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
		if v := f.Victims(); len(v) != 0 {
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
		if !slices.Contains(r.Lines, Line{"log", "cannot go on"}) || !slices.Contains(r.Lines, Line{"service", "web of project shop, failed, exit status 3: ended with status 3"}) {
			t.Errorf("%s: %v", input, r.Lines)
		}
		if whose, hint := f.WhyNoVictim(); !strings.Contains(whose, "service web of project shop") || !strings.Contains(hint, "lodge down web") {
			t.Errorf("%s: %s; %s", input, whose, hint)
		}
	}
	// A process of the service holds it too: that is the one.
	f, _ := explained(t, home+":14301", projects)
	server := &sockets.Process{PID: os.Getpid(), Name: "node", Start: 7}
	f.Rows[0].Processes = append(f.Rows[0].Processes, server)
	f.setApart()
	if v := f.Victims(); len(v) != 1 || v[0].PID != server.PID || f.Rows[0].Processes[0] != server {
		t.Errorf("%+v", v)
	}
}

func TestLodgesOwnPort(t *testing.T) {
	daemon := start(t, "listen 127.0.0.1:14302", asLodge(t, "daemon"))
	f, r := explained(t, ":14302", func(s *Source) {
		s.Projects = []Project{{Name: "shop", Path: "/p/shop", Home4: netip.MustParseAddr("127.83.20.9"), Services: []Service{{Name: "web", State: "ready", URL: "https://web.shop.localhost:14302"}}}}
	})
	if len(f.Victims()) != 0 || !strings.Contains(r.Answer, fmt.Sprintf("lodge (pid %d), which serves the names of projects there", daemon.Pid)) {
		t.Errorf("%s\n%+v", r.Answer, f.Victims())
	}
	if !slices.Contains(r.Lines, Line{"serves", "https://web.shop.localhost:14302"}) {
		t.Errorf("%v", r.Lines)
	}
	if whose, hint := f.WhyNoVictim(); !strings.Contains(whose, "names of projects") || hint == "" {
		t.Errorf("%s; %s", whose, hint)
	}
}

func TestPlainText(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"\x1b[1;31mred\x1b[0m text":   "red text",
		"tab\there":                   "tab    here",
		"bell\a, \x1b]0;title\a":      "bell?, ",
		"cut off \x1b[31":             "cut off ",
		"\x1b[2K\x1b[1Gready in 5 ms": "ready in 5 ms",
	} {
		if got := plainText(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
