package test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNeedsAndReadiness(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		// Every service but the first ends at once if the one that it needs is
		// not there. They are named so that their order in the file is wrong.
		after := func(port string) string {
			return `sh -c '` + peerBin + ` get http://localhost:` + port + `/ >seen-` + port + ` || exit 3; `
		}
		p := e.project("order", "lodge.toml", `version = 1
[services.web]
command = "`+after("8703")+`exec `+peerBin+` http :8704 web'"
needs = ["api", "worker"]
restart = "never"
[services.worker]
command = "sh -c 'sleep 0.3; echo work may begin; exec sleep 1000'"
ready = { log = "may begin$" }
[services.api]
command = "`+after("8702")+`exec `+peerBin+` http :8703 api'"
needs = ["queue"]
restart = "never"
ready = { http = "/healthz" }
[services.queue]
command = "`+after("8701")+`exec `+peerBin+` http :8702 queue'"
needs = ["db"]
restart = "never"
ready = { command = "`+peerBin+` get http://localhost:8702/ >/dev/null" }
[services.db]
command = "sh -c 'sleep 0.5; exec `+peerBin+` http :8701 db'"
`)
		p.up("web")
		q, _ := p.info()
		for _, s := range q.Services {
			if s.State != "ready" || s.Restarts != 0 {
				t.Errorf("%s is %s after up -d (%s), restarts %d; want ready, none", s.Name, s.State, s.Reason, s.Restarts)
			}
		}
		for port, name := range map[string]string{"8701": "db", "8702": "queue", "8703": "api"} {
			if got := p.read("seen-" + port); !strings.HasPrefix(got, name) {
				t.Errorf("who needs %s saw %q", name, got)
			}
		}
		// One service can be stopped and started by itself.
		p.lodge("down", "web").ok(t)
		if s, _ := p.service("web"); s.State != "stopped" || s.PID != 0 {
			t.Errorf("web after down web: %+v", s)
		}
		if s, _ := p.service("api"); s.State != "ready" {
			t.Errorf("api after down web: %+v", s)
		}
		p.up("web")
		p.curl("http://localhost:8704/", "web")
	})
}

func TestRestartPolicies(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("policies", "lodge.toml", `version = 1
[services.heals]
command = "sh -c 'echo x >>heals; test $(wc -l <heals) -ge 3 || exit 1; exec `+peerBin+` http :8710 healed'"
[services.once]
command = "sh -c 'echo x >>once'"
ready = false
[services.always]
command = "sh -c 'echo x >>always; sleep 0.1'"
ready = false
restart = "always"
[services.never]
command = "sh -c 'echo x >>never; sleep 0.2; exit 3'"
ready = false
restart = "never"
`)
		r := p.lodge("up", "-d")
		if r.code != 0 && !strings.Contains(r.stderr, "never") {
			t.Fatal(r)
		}
		count := func(name string) int { return strings.Count(p.read(name), "x") }
		eventually(t, func() string {
			if n := count("always"); n < 3 {
				return fmt.Sprintf("restart = always, exit 0: started %d times, want more", n)
			}
			if s, _ := p.service("never"); s.State != "failed" || s.Exit == nil || *s.Exit != 3 {
				return fmt.Sprintf("restart = never, exit 3: %+v", s)
			}
			if s, _ := p.service("once"); s.State != "exited" {
				return fmt.Sprintf("on-failure, exit 0: %+v", s)
			}
			if s, _ := p.service("heals"); s.State != "ready" || s.Restarts != 2 {
				return fmt.Sprintf("on-failure, two failures: %+v", s)
			}
			return ""
		})
		if n := count("never"); n != 1 {
			t.Errorf("restart = never: started %d times", n)
		}
		if n := count("once"); n != 1 {
			t.Errorf("on-failure with status 0: started %d times", n)
		}
		p.curl("http://localhost:8710/", "healed")
		// One that is killed while it serves comes back.
		s, _ := p.service("heals")
		if err := unix.Kill(s.PID, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string {
			now, _ := p.service("heals")
			if now.State != "ready" || now.PID == s.PID || now.Restarts != 3 {
				return fmt.Sprintf("after kill -9 of the service: %+v", now)
			}
			return ""
		})
		p.curl("http://localhost:8710/", "healed")
	})
}

// A service that never comes up is given up, with its last words.
func TestGivesUp(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("hopeless", "lodge.toml", config("web", "sh -c 'echo cannot find my configuration >&2; exit 4'"))
		r := p.lodge("up", "-d")
		for _, want := range []string{"web | cannot find my configuration", "start service web", "status 4"} {
			if r.code != 1 || !strings.Contains(r.stderr, want) {
				t.Errorf("up -d: want status 1 and %q: %v", want, r)
			}
		}
	})
}

// Stopping is SIGTERM, a grace time, then everything that is left.
func TestStop(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("stop", "lodge.toml", `version = 1
[services.polite]
command = "sh -c 'trap \"echo goodbye; exit 0\" TERM; echo $$ >polite; while :; do sleep 0.05; done'"
ready = { command = "test -s polite" }
[services.other]
command = "sh -c 'trap \"echo interrupted; exit 0\" INT; echo $$ >other; while :; do sleep 0.05; done'"
stop_signal = "SIGINT"
ready = { command = "test -s other" }
[services.deaf]
command = "sh -c 'trap \"\" TERM; (trap \"\" TERM; setsid sleep 1000 & echo $! >grandchild; exec sleep 1000) & echo $$ >deaf; while :; do sleep 0.05; done'"
stop_grace = "500ms"
ready = { command = "test -s deaf && test -s grandchild" }
`)
		p.up()
		p.lodge("down").ok(t)
		out := p.lodge("logs").ok(t)
		for _, want := range []string{"goodbye", "interrupted"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in the logs after down:\n%s", want, out)
			}
		}
		for _, f := range []string{"polite", "other", "deaf", "grandchild"} {
			pid, err := strconv.Atoi(strings.TrimSpace(p.read(f)))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && len(b) > 0 {
				t.Errorf("%s, process %d, lives after down: %q", f, pid, b)
			}
		}
	})
}

func TestUpAttached(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("attached", "lodge.toml", `version = 1
[services.web]
command = "`+peerBin+` http :8720 web"
[services.ticker]
command = "sh -c 'while :; do echo tick; echo tock >&2; sleep 0.1; done'"
ready = false
`)
		up := p.start("up")
		for _, want := range []string{"ticker | tick\n", "ticker | tock\n", "web    | listening on "} {
			awaitOutput(t, up, want)
		}
		if strings.Contains(up.stdout(), "\x1b") {
			t.Errorf("colour in a pipe: %q", up.stdout())
		}
		p.curl("http://localhost:8720/", "web")
		up.signal(syscall.SIGINT)
		if r := up.wait(); r.code != 130 {
			t.Errorf("up after Ctrl-C: %v", r)
		}
		if q, ok := p.info(); ok {
			t.Errorf("ls after Ctrl-C: %+v", q)
		}
		// One that fails ends the others, and up with them.
		p.write("lodge.toml", `version = 1
[services.web]
command = "`+peerBin+` http :8720 web"
[services.bad]
command = "sh -c 'echo broken; exit 3'"
restart = "never"
`)
		if r := p.lodge("up"); r.code != 1 || !strings.Contains(r.stdout, "bad    | broken") || !strings.Contains(r.stderr, "bad") {
			t.Errorf("up of what fails: %v", r)
		}
		if q, ok := p.info(); ok {
			t.Errorf("ls after a failed up: %+v", q)
		}
		// Stopped from elsewhere it ends too.
		p.write("lodge.toml", config("web", peerBin+" http :8720 web"))
		up = p.start("up")
		eventually(t, func() string {
			if strings.Contains(up.stderr(), "ready") { // it lists what is up
				return ""
			}
			return "it says " + up.stdout() + up.stderr() + ", want what is ready"
		})
		p.lodge("down").ok(t)
		if r := up.wait(); r.code != 0 {
			t.Errorf("up of what is stopped from elsewhere: %v", r)
		}
		// On a terminal the names have colours.
		master, cmd := p.terminal("up")
		l := newLines(master)
		l.await(t, "listening on")
		if s := l.seen[len(l.seen)-1]; !strings.Contains(s, "\x1b[") {
			t.Errorf("no colour on a terminal: %q", s)
		}
		if _, err := master.WriteString("\x03"); err != nil {
			t.Fatal(err)
		}
		for range l.ch {
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
			t.Errorf("up on a terminal after Ctrl-C: %v", err)
		}
	})
}

// A changed lodge.toml restarts what changed, and only that.
func TestChangedConfig(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		text := func(b string) string {
			return config("a", peerBin+" http :8730 a") + "[services.b]\ncommand = \"" + peerBin + " http :8731 " + b + "\"\n"
		}
		p := e.project("changed", "lodge.toml", text("before"))
		p.up()
		a, _ := p.service("a")
		b, _ := p.service("b")
		p.write("lodge.toml", text("after"))
		p.up()
		a2, _ := p.service("a")
		b2, _ := p.service("b")
		if a2.PID != a.PID || b2.PID == b.PID {
			t.Errorf("pids of a and b: %d, %d before and %d, %d after b was changed", a.PID, b.PID, a2.PID, b2.PID)
		}
		p.curl("http://localhost:8731/", "after")
		// What is no longer named is stopped; its port is free again.
		p.write("lodge.toml", config("c", peerBin+" http :8730 c"))
		p.up()
		p.curl("http://localhost:8730/", "c")
		if q, _ := p.info(); len(q.Services) != 1 {
			t.Errorf("ls shows %+v, want c alone", q.Services)
		}
	})
}

func TestProcfile(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("Procfile", "web: "+peerBin+" http localhost:$PORT \"$WHO of @ALONE@\"\nworker: sleep 1000\n", ".env", "WHO=web\n")
		serves(t, ps, 5000, "/", says("web of"), "localhost")
		q, _ := ps[0].info()
		if len(q.Services) != 2 || q.Services[1].State != "ready" {
			t.Errorf("ls shows %+v, want a worker that is ready", q.Services)
		}
	})
}
