package test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// lone makes a network namespace with nothing but lo, so that every port in it
// is free, and gives its name, which ends with suffix.
func lone(t *testing.T, suffix string) string {
	t.Helper()
	needRoot(t)
	ip := need(t, "ip")
	need(t, "nsenter")
	name := fmt.Sprintf("lt%d%s", os.Getpid(), suffix)
	for _, argv := range [][]string{{"netns", "add", name}, {"-n", name, "link", "set", "lo", "up"}} {
		if out, err := exec.Command(ip, argv...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v\n%s", argv, err, out)
		}
		if argv[0] == "netns" {
			t.Cleanup(func() {
				if out, err := exec.Command(ip, "netns", "delete", name).CombinedOutput(); err != nil {
					t.Errorf("remove namespace: %v\n%s", err, out)
				}
			})
		}
	}
	return name
}

// explanation is the part of `lodge explain --json` that these tests look at.
type explanation struct {
	Answer    string
	Listeners []struct {
		Processes []struct {
			PID       int
			Name      string
			Directory string
		}
	}
	Connections []struct {
		State         string
		Local, Remote struct {
			IP   string
			Port int
		}
		Processes []struct{ PID int }
	}
	Causes []struct {
		Code, Summary, Hint string
		Evidence            []string
	}
	Ancestors map[string][]struct{ PID int }
}

func (e *env) explain(what string) explanation {
	e.t.Helper()
	var x explanation
	text := e.lodge(e.base, "explain", "--json", what).ok(e.t)
	if err := json.Unmarshal([]byte(text), &x); err != nil {
		e.t.Fatalf("%v\n%s", err, text)
	}
	return x
}

// says fails where the answer is not as the pattern says.
func (e *env) says(what, pattern string) {
	e.t.Helper()
	if got := e.explain(what).Answer; !regexp.MustCompile("^(?:" + pattern + ")$").MatchString(got) {
		e.t.Errorf("explain %s: %q, want %q", what, got, pattern)
	}
}

// The situations that people ask about most, each made by a program that they
// use.
func TestExplain(t *testing.T) {
	t.Parallel()
	python(t)
	needModule(t, "flask")
	pg := postgresBin(t)
	need(t, "setpriv")
	e := newEnv(t, ebpf)
	netns := lone(t, "x")
	e.into(netns)

	e.says("127.0.0.1:49342", `Nothing is there: nobody listens on 127\.0\.0\.1:49342 and nobody is connected, so the port is free\. It is one of those that this machine gives to outgoing connections \(\d+ to \d+\), so any program may get it at any moment\.`)

	// A Flask server.
	app := filepath.Join(e.base, "app")
	e.mkdir(app)
	if err := os.WriteFile(filepath.Join(app, "app.py"), []byte("from flask import Flask\napp = Flask(__name__)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flask := background(t, in(netns, "env", "-C", app, systemPython, "-m", "flask", "run", "--port", "49342"))
	eventually(t, func() string {
		if len(e.explain("127.0.0.1:49342").Listeners) == 1 {
			return ""
		}
		return "Flask does not listen: " + flask.stderr()
	})
	e.says("127.0.0.1:49342", `python3\S* \(pid `+itoa(flask.cmd.Process.Pid)+`\) listens on 127\.0\.0\.1:49342, reachable from this machine only\.`)
	x := e.explain("49342")
	if p := x.Listeners[0].Processes[0]; p.Directory != app {
		t.Errorf("in %q, want %q", p.Directory, app)
	}
	if up := x.Ancestors[itoa(flask.cmd.Process.Pid)]; len(up) == 0 || up[0].PID != os.Getpid() {
		t.Errorf("ancestors %v, want %d first", up, os.Getpid())
	}
	// A second one, whose message is given as it is.
	second := finish(t, t.Context(), in(netns, "env", "-C", app, systemPython, "-m", "flask", "run", "--port", "49342"))
	if second.code == 0 {
		t.Fatal(second)
	}
	if x := e.explain(second.stderr); len(x.Causes) != 1 || x.Causes[0].Code != "held_by_process" {
		t.Errorf("%+v of\n%s", x.Causes, second.stderr)
	}

	// The client end of a psql connection.
	data, sock := filepath.Join(e.base, "pg"), filepath.Join(e.base, "pgsock")
	for _, d := range []string{data, sock} {
		e.mkdir(d)
		if err := os.Chown(d, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	as := []string{"setpriv", fmt.Sprintf("--reuid=%d", nobody), fmt.Sprintf("--regid=%d", nobody), "--clear-groups", "env", "-C", data}
	finish(t, t.Context(), in(netns, append(as, pg+"/initdb", "-D", data, "-A", "trust", "-U", "me", "--no-sync", "--locale=C", "-E", "UTF8")...)).ok(t)
	server := background(t, in(netns, append(as, pg+"/postgres", "-D", data, "-k", sock, "-h", "127.0.0.1")...))
	eventually(t, func() string {
		r := finish(t, t.Context(), in(netns, pg+"/psql", "-X", "-h", "127.0.0.1", "-U", "me", "-d", "postgres", "-c", "select 1"))
		if r.code == 0 {
			return ""
		}
		return r.stderr + server.stderr()
	})
	client := in(netns, pg+"/psql", "-X", "-h", "127.0.0.1", "-U", "me", "-d", "postgres")
	stdin, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	psql := background(t, client)
	if _, err := io.WriteString(stdin, "\\echo here\nselect 1;\n"); err != nil {
		t.Fatal(err)
	}
	port := 0
	eventually(t, func() string {
		for _, c := range e.explain("127.0.0.1:5432").Connections {
			if c.State == "established" && c.Local.Port == 5432 {
				port = c.Remote.Port
				return ""
			}
		}
		return "psql is not connected: " + psql.stderr()
	})
	at := "127.0.0.1:" + itoa(port)
	e.says(at, strings.ReplaceAll(at, ".", `\.`)+` is the client end of a connection: psql \(pid `+itoa(psql.cmd.Process.Pid)+`\) is connected from there to postgres \(pid \d+\) at 127\.0\.0\.1:5432 \(PostgreSQL\)\.`)

	// TIME_WAIT stays with the end that closes first. This is psql's when it is
	// killed: if it took its leave, PostgreSQL might close before it.
	eventually(t, func() string {
		if out := psql.stdout(); !strings.Contains(out, "(1 row)") {
			return "no answer yet: " + out
		}
		return ""
	})
	kill9(t, psql.cmd.Process.Pid)
	psql.wait()
	eventually(t, func() string {
		if x := e.explain(at); len(x.Connections) == 0 || x.Connections[0].State != "time_wait" {
			return fmt.Sprintf("not in TIME_WAIT: %+v", x.Connections)
		}
		return ""
	})
	e.says(at, `Nobody has it now: it was one end of a connection to 127\.0\.0\.1:5432 \(PostgreSQL\), closed less than a minute ago\. The kernel keeps .* \(TIME_WAIT\); after that it is free\.`)

	// Inside a home.
	p := e.project("shop", "lodge.toml", config("web", peerBin+" http localhost:3417 'a page'")+
		"[services.api]\nrestart = \"never\"\nready = false\ncommand = \""+systemPython+" api.py\"\n",
		"api.py", "import socket,sys,time\ns = socket.create_server(('127.0.0.1', 4000))\nwhile not __import__('os').path.exists('end'): time.sleep(0.05)\nsys.exit(3)\n")
	p.up()
	home := p.home("tcp", 3417)
	e.says("connect ECONNREFUSED 127.0.0.1:3417", `Nobody listens on 127\.0\.0\.1:3417 itself\. Service web of project shop \(peer, pid \d+\) has that port inside its home, which is `+strings.ReplaceAll(home.Addr().String(), ".", `\.`)+`\.`)
	e.says(home.String(), `Service web of project shop \(peer, pid \d+\) listens on .*, inside its home, reachable from this machine only\.`)
	// Inside, localhost is the home.
	if got := p.exec(e.bin, "explain", "localhost:3417"); !strings.Contains(got, "Service web of project shop") || !strings.Contains(got, "listens on "+home.String()) {
		t.Errorf("inside: %s", got)
	}

	// A service that ended is named, with its status.
	p.home("tcp", 4000)
	p.write("end", "")
	eventually(t, func() string {
		if s, ok := p.service("api"); !ok || s.State != "failed" {
			return fmt.Sprintf("api is %+v", s)
		}
		return ""
	})
	x = e.explain("connect ECONNREFUSED 127.0.0.1:4000")
	if len(x.Causes) != 1 || x.Causes[0].Code != "process_died" || !strings.Contains(x.Causes[0].Summary, "exit status 3") {
		t.Errorf("%+v", x)
	}

	// Whoever holds a port can be ended.
	e.lodge(e.base, "explain", "--kill", "--yes", "127.0.0.1:49342").ok(t)
	flask.wait()
	e.says("127.0.0.1:49342", `Nothing is there: .*`)
}
