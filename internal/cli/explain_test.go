package cli

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/creack/pty"

	"lodge/internal/cli/kit"
)

// onTerminal runs a command line whose input is a terminal with somebody who
// answers.
func (sh *shell) onTerminal(t *testing.T, answer string, args ...string) (int, string) {
	t.Helper()
	p, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := os.CreateTemp(sh.base, "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := p.WriteString(answer); err != nil {
		t.Fatal(err)
	}
	code := Run(t.Context(), sh.environ(tty, out, out, args))
	_ = tty.Close()
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, string(b)
}

// TestExplainProject: the bare name of a project that is up is the project's.
func TestExplainProject(t *testing.T) {
	sh := newShell(t)
	sh.upSleeping()
	sh.dir = sh.base
	if got := sh.ok("explain", "shop"); !strings.HasPrefix(got, "shop.localhost is the name of") {
		t.Error(got)
	}
	sh.ok("down", "--project", "shop")
}

func TestExplainCommand(t *testing.T) {
	sh := newShell(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if got := sh.ok("explain", "127.0.0.1:"+port); !strings.Contains(got, "(pid "+strconv.Itoa(os.Getpid())+") listens on 127.0.0.1:"+port+", reachable from this machine only.") {
		t.Error(got)
	}
	var r struct {
		Input, Kind, Answer string
		Address             struct{ Scope, Reach string }
		Port                struct {
			Port  int
			Class string
		}
		Listeners, Connections []map[string]any
		Causes                 []struct {
			Code, Summary, Hint, Operation string
			Evidence                       []string
			PIDs                           []int
		}
		Ancestors map[string][]map[string]any
	}
	text := sh.ok("explain", "--json", "listen", "tcp", "127.0.0.1:"+port+":", "bind:", "address", "already", "in", "use")
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if r.Kind != "error" || len(r.Listeners) != 1 || r.Connections == nil || len(r.Causes) != 1 || r.Causes[0].Code != "held_by_process" || !slices.Equal(r.Causes[0].PIDs, []int{os.Getpid()}) || r.Address.Scope != "loopback" {
		t.Errorf("%+v", r)
	}
	// What programs print comes by standard input, too.
	code, out, stderr := sh.runInput("npm start\nError: listen EADDRINUSE: address already in use 127.0.0.1:"+port+"\n    at Server.setupListenHandle [as _listen2] (node:net:1463:16)\n", "explain", "-")
	if code != kit.ExitDone || !strings.Contains(out, "already listens on 127.0.0.1:"+port) {
		t.Errorf("%d, %s%s", code, out, stderr)
	}
	if _, err := os.Lstat(sh.socket()); err == nil {
		t.Error("a daemon was started for that")
	}
	for _, c := range []struct {
		args       []string
		want, hint string
	}{
		{[]string{"explain"}, "there are none", "usage: lodge explain WHAT..."},
		{[]string{"explain", "bind: address already in use"}, "no address, port or name in it", "lodge explain 127.0.0.1:3000"},
		{[]string{"explain", "Traceback (most recent call last):\n  bind()\nOSError: Address already in use"}, "explain \"OSError: Address already in use\"", "lodge explain 127.0.0.1:3000"},
		{[]string{"explain", "curl: (60) SSL certificate problem: unable to get local issuer certificate"}, "unable to get local issuer certificate", "lodge trust"},
		{[]string{"explain", "99999"}, `port "99999": not a number from 0 to 65535`, "lodge explain 127.0.0.1:3000"},
		{[]string{"explain", "connect ECONNREFUSED 127.0.0.1:70000"}, `port "70000": not a number from 0 to 65535`, "lodge explain 127.0.0.1:3000"},
		{[]string{"explain", "OverflowError: bind(): port must be 0-65535."}, "it tells of a port that is none", "lodge explain 127.0.0.1:3000"},
		{[]string{"explain", "10.0.0.0/8"}, "is a block of addresses", "lodge explain 127.0.0.1:3000"},
		{[]string{"explain", "--yes", ":1"}, "--yes goes with --kill", "--kill --yes"},
		{[]string{"explain", "--kill", "--json", ":1"}, "--kill prints no JSON", "--kill --yes"},
		{[]string{"explain", "--bind", "127.0.0.1"}, "--bind needs a port", "lodge explain"},
	} {
		code, stdout, stderr := sh.run(c.args...)
		if code != kit.ExitUsage || stdout != "" {
			t.Errorf("%v: %d, %q", c.args, code, stdout)
		}
		one(t, stderr, c.want, c.hint)
	}
}

// sleeper listens in a process of its own, and gives its port.
func sleeper(t *testing.T) (*exec.Cmd, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	cmd := exec.Command("sleep", "600")
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, port
}

func TestExplainKill(t *testing.T) {
	sh := newShell(t)
	cmd, port := sleeper(t)
	// Nobody can answer where there is no terminal.
	code, _, stderr := sh.run("explain", "--kill", ":"+port)
	if code != kit.ExitUsage || !hasEnded(t, cmd, false) {
		t.Errorf("%d, %s", code, stderr)
	}
	one(t, stderr, "standard input is no terminal", "--kill --yes")
	for _, c := range []struct {
		answer string
		ends   bool
	}{{"\n", false}, {"n\n", false}, {"y\n", true}} {
		code, out := sh.onTerminal(t, c.answer, "explain", "--kill", ":"+port)
		if want := map[bool]int{true: kit.ExitDone, false: kit.ExitNotDone}[c.ends]; code != want || !strings.Contains(out, "end pid "+strconv.Itoa(cmd.Process.Pid)+", sleep 600") {
			t.Errorf("answer %q: %d, %s", c.answer, code, out)
		}
		if !hasEnded(t, cmd, c.ends) {
			t.Errorf("answer %q: ended %v", c.answer, !c.ends)
		}
	}
	cmd, port = sleeper(t)
	if out := sh.ok("explain", "--kill", "--yes", "127.0.0.1:"+port); !strings.Contains(out, "sleep 600, user") || !strings.Contains(out, ": ended\n") {
		t.Error(out)
	}
	if !hasEnded(t, cmd, true) {
		t.Error("it goes on")
	}
	code, _, stderr = sh.run("explain", "--kill", "--yes", "127.0.0.1:"+port)
	if code != kit.ExitNotDone {
		t.Errorf("%d, %s", code, stderr)
	}
	one(t, stderr, "no process that can be seen holds it", "")
}

// hasEnded reports whether a child has ended or not, as it should.
func hasEnded(t *testing.T, cmd *exec.Cmd, want bool) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/stat")
	ended := err != nil || strings.Contains(string(b), ") Z ")
	return ended == want
}
