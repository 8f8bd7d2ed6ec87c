package test

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// echoServer sends back what it gets, and says who came.
const echoServer = `
import socket, threading
s = socket.create_server(("127.0.0.1", 5000))
print("web serves", flush=True)
def serve(c):
    while True:
        b = c.recv(65536)
        if not b:
            return
        c.sendall(b)
        if b.startswith(b"say "):
            print("web was told " + b[4:].decode().strip(), flush=True)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
`

// trafficMaker sends and receives without end, under a name of its own.
const trafficMaker = `
import socket, sys, time
open("/proc/self/comm", "w").write("talker")
c = socket.create_connection((sys.argv[1], 5000))
print("talks", flush=True)
while True:
    c.sendall(b"x" * 1000)
    n = 0
    while n < 1000:
        n += len(c.recv(65536))
    time.sleep(0.01)
`

// victim listens on a port that is free, and waits to be ended.
const victim = `
import socket, sys, time
open("/proc/self/comm", "w").write("victim")
s = socket.create_server(("127.0.0.1", 0))
print("port", s.getsockname()[1], flush=True)
while True:
    s.accept()
`

func TestTop(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("shop", "web.py", echoServer, "talker.py", trafficMaker, "victim.py", victim, "lodge.toml", config("web", systemPython+" web.py"))
		p.up()
		home := p.home("tcp", 5000).Addr().String()
		talks := background(t, e.command(context.Background(), p.dir, systemPython, "talker.py", home))
		awaitOutput(t, talks, "talks")
		v := background(t, e.command(context.Background(), p.dir, systemPython, "victim.py"))
		awaitOutput(t, v, "\n")
		port := strings.TrimSpace(strings.TrimPrefix(v.stdout(), "port "))
		name := "victim[" + strconv.Itoa(v.cmd.Process.Pid) + "]"

		s := e.screen(p.dir)
		// What else goes on on the machine is left out.
		s.line("stty -a >before; echo mark of the shell; lodge top " + home)
		s.await(`1 PROJECTS`)
		s.await(`(?m)^> shop +web +ready +` + regexp.QuoteMeta(home) + ` +5000 `)
		s.await(`(?m)^> shop +web .* \d+k +\d+k$`) // in and out, from the second reading on

		// The connection, with both ends and its rates; who talks to whom.
		s.keys("3")
		s.await(`(?m)^. talker\[\d+\] .*python3\[\d+\].*5000 .*us .* \d+k +\d+k$`)
		s.keys("4")
		s.await(`(?m)^. talker +python3 shop/web +` + regexp.QuoteMeta(home) + `:5000 +1 .* \d+k +\d+k$`)

		// One listener is looked for, explained, and ended when it is asked for.
		s.keys("2", "/", "C-u")
		s.line(port)
		s.await(`(?s)2 LISTENERS.*filter: ` + port + `.*\n> 127\.0\.0\.1:` + port + ` +loopback +` + regexp.QuoteMeta(name))
		s.keys("e")
		s.await(`(?s)explain 127\.0\.0\.1:` + port + `.*victim`)
		s.keys("q", "K")
		s.await(`end ` + regexp.QuoteMeta(name) + `\? y/N`)
		s.keys("n")
		s.await(`left running`)
		select {
		case <-v.done:
			t.Fatal("n ends the process")
		default:
		}
		s.keys("K")
		s.await(`end ` + regexp.QuoteMeta(name) + `\? y/N`)
		s.keys("y")
		v.wait()
		s.await(`nothing matches the filter`)
		s.keys("Escape")
		s.await(`1 projects  2 LISTENERS  3 connections  4 talk\n`)
		s.keys("/")
		s.line(home)
		s.await(`(?s)filter: ` + regexp.QuoteMeta(home) + `.*5000`)

		// The lines of the service, also those to come.
		s.keys("1", "f")
		s.await(`logs of shop/web  following\n\S+ web serves`)
		p.exec(systemPython, "-c", `import socket; c = socket.create_connection(("127.0.0.1", 5000)); c.sendall(b"say hello"); c.recv(99)`)
		s.await(`\n\S+ web was told hello`)
		s.keys("Escape")
		s.await(`1 PROJECTS`)

		// Any size.
		s.keys("3")
		s.resize(120, 40)
		s.await(`CLIENT +FROM +SERVER +AT`)
		s.width(t, 120)
		s.resize(30, 5)
		s.await(`too small: 30x5`)
		s.resize(40, 10)
		s.await(`(?s)3 CONNECTIONS.*talker`)
		s.width(t, 40)
		s.resize(80, 24)
		s.await(`CLIENT +SERVER +AT`)

		// Suspended, the shell is there as it was; and again at the end.
		s.keys("C-z")
		s.await(`(?s)mark of the shell\n.*Stopped.*\$`)
		s.line("fg")
		s.await(`(?s)3 CONNECTIONS.*talker`)
		s.keys("q")
		s.await(`(?s)mark of the shell\n.*Stopped.*\n\$ fg\n.*\n\$`)
		s.line("stty -a >after; cmp before after && echo the modes are as they were")
		s.await(`\nthe modes are as they were`)
	})
}

// Where there is no terminal to draw on, it is said, with what helps.
func TestTopWithoutTerminal(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("plain", "web.py", echoServer, "lodge.toml", config("web", systemPython+" web.py"))
		if r := p.lodge("top"); r.code != 1 || !strings.Contains(r.stderr, "lodge top --once") {
			t.Errorf("to a pipe: %v", r)
		}
		if r := p.lodge("top", "--once", "--view", "projects"); r.code != 0 || !strings.Contains(r.stdout, "no project is up") {
			t.Errorf("nothing is up: %v", r)
		}
		if _, up := p.info(); up {
			t.Error("it brought the project up")
		}
		p.up()
		var got struct {
			View     string `json:"view"`
			Projects []struct {
				Project string   `json:"project"`
				Service string   `json:"service"`
				State   string   `json:"state"`
				Home    string   `json:"home"`
				Ports   []string `json:"ports"`
			} `json:"projects"`
		}
		out := p.lodge("top", "--json", "--interval", "100ms").ok(t)
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Projects) != 1 || got.View != "projects" {
			t.Fatalf("got %s", out)
		}
		if x := got.Projects[0]; x.Project != "plain" || x.Service != "web" || x.State != "ready" || x.Home != p.home("tcp", 5000).Addr().String() || len(x.Ports) != 1 || x.Ports[0] != "5000" {
			t.Errorf("got %s", out)
		}
		if !strings.Contains(p.lodge("top", "--once", "--view", "listeners", "--interval", "100ms", "plain").ok(t), "plain/web") {
			t.Error("the listener is not named by its project")
		}
		s := e.screen(p.dir)
		s.line("TERM=dumb lodge top")
		s.await(`show top: a terminal with TERM="dumb" cannot be\s+drawn on`)
		s.line("clear; NO_COLOR=1 lodge top")
		s.await(`1 PROJECTS`)
		if colored := regexp.MustCompile(`\x1b\[[0-9;]*3[0-7]m`); colored.MatchString(s.tmux("capture-pane", "-p", "-e")) {
			t.Error("NO_COLOR is not heeded")
		}
		s.keys("q")
		s.await(`\n?\$ *$`)
	})
}
