package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server tries whether its port is free, and listens for good later; after
// that it stops listening for a while, as one does that exchanges its server by
// itself. Nothing fails, what needs it waits, and so do requests for its name.
func TestReadyIsWhoStillListens(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("tries", "lodge.toml", config("web", peerBin+" tries :8600 'page of web'")+`
[services.dep]
command = '''sh -c 'echo "dep $WEB_PORT"; exec sleep 1000' '''
needs = ["web"]
ready = false
`)
		is := func(service, want string) {
			t.Helper()
			eventually(t, func() string {
				if s, _ := p.service(service); s.State != want {
					return fmt.Sprintf("%s is %s, want %s", service, s.State, want)
				}
				return ""
			})
		}
		running := func(up *process) {
			t.Helper()
			select {
			case <-up.done:
				t.Fatalf("up has returned: %s%s", up.stdout(), up.stderr())
			default:
			}
		}
		up := p.start("up", "-d")
		eventually(t, func() string {
			if r := p.lodge("logs", "web"); !strings.Contains(r.stdout, "tried") {
				return "it has not tried its port: " + r.String()
			}
			return ""
		})
		is("web", "starting")
		is("dep", "waiting")
		running(up)
		p.write("listen", "")
		up.wait().ok(t)
		c, url := e.byName(1), p.urlOf("web")
		if got, err := fetch(c, url); err != nil || got != "page of web" {
			t.Errorf("when up has returned: %q, %v", got, err)
		}
		is("dep", "ready")
		if got := p.lodge("logs", "dep").ok(t); !strings.Contains(got, "dep 8600") {
			t.Errorf("dep got %q", got)
		}

		before, _ := p.service("web")
		if err := os.Remove(filepath.Join(p.dir, "listen")); err != nil {
			t.Fatal(err)
		}
		is("web", "starting")
		is("dep", "ready")
		held := make(chan string, 1)
		go func() {
			got, err := fetch(c, url)
			held <- fmt.Sprint(got, err)
		}()
		again := p.start("up", "-d")
		if got := p.lodge("explain", "web").ok(t); !strings.Contains(got, "it listened on port 8600, and listens nowhere now") {
			t.Errorf("explain: %s", got)
		}
		running(again)
		p.write("listen", "")
		again.wait().ok(t)
		if got := <-held; got != "page of web<nil>" {
			t.Errorf("a request meanwhile: %s", got)
		}
		if after, _ := p.service("web"); after.PID != before.PID || after.Restarts != before.Restarts {
			t.Errorf("it was started again: %+v, %+v", before, after)
		}
	})
}

// While a service is started again lodge keeps its socket open. Whoever would
// end the process that holds the port is told of the service.
func TestExplainDoesNotEndLodge(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("kept", "web.sh", "while [ -e slow ]; do sleep 0.02; done; exec "+peerBin+" http :8610 'page of web'\n", "lodge.toml", config("web", "sh web.sh"))
		p.up()
		at := p.home("tcp", 8610)
		before, _ := p.info()
		p.write("slow", "")
		restart := p.start("restart", "web")
		eventually(t, func() string {
			if r := p.lodge("explain", at.String()); !strings.Contains(r.stdout, "keeps it for service web of project "+before.Name) {
				return r.String()
			}
			return ""
		})
		for _, what := range []string{at.String(), "web"} {
			r := p.lodge("explain", "--kill", "--yes", what)
			if r.code != 1 || !strings.Contains(r.stderr, "service web of project") || !strings.Contains(r.stderr, "hint: ") {
				t.Errorf("explain --kill %s: %s", what, r)
			}
		}
		if err := os.Remove(filepath.Join(p.dir, "slow")); err != nil {
			t.Fatal(err)
		}
		restart.wait().ok(t)
		after, ok := p.info()
		if !ok || after.KeeperPID != before.KeeperPID {
			t.Errorf("the keeper was ended: %+v, %+v", before, after)
		}
		if got, err := fetch(e.byName(1), p.urlOf("web")); err != nil || !strings.HasPrefix(got, "page of web") {
			t.Errorf("afterwards: %q, %v", got, err)
		}
	})
}

// slowStart writes its process id to the file born, and listens when a file
// called listen is there, which it takes away.
const slowStart = `import http.server, os, time
open("born", "w").write(str(os.getpid()))
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"%d" % os.getpid())
    do_HEAD = do_GET
    def log_message(self, *a): pass
while not os.path.exists("listen"): time.sleep(.01)
os.remove("listen")
http.server.ThreadingHTTPServer(("0.0.0.0", 8610), H).serve_forever()
`

// A restart is over when the new process listens: the socket that is kept open
// for it meanwhile, so that nobody is refused, is none of its own.
func TestRestartWaitsForTheNewProcess(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("slow", "serve.py", slowStart, "listen", "", "lodge.toml", config("web", systemPython+" serve.py"))
		p.up()
		at := p.home("tcp", 8610)
		for round := range 4 { // cgroups of lives take turns
			old := p.read("born")
			restart := p.start("restart", "web")
			eventually(t, func() string {
				if born := p.read("born"); born == old || born == "" {
					return "there is no new process"
				}
				return ""
			})
			for range 10 {
				if s, _ := p.service("web"); s.State != "starting" {
					t.Fatalf("round %d: it is %s before its process listens", round, s.State)
				}
			}
			select {
			case <-restart.done:
				t.Fatalf("round %d: restart has returned: %s%s", round, restart.stdout(), restart.stderr())
			default:
			}
			p.write("listen", "")
			restart.wait().ok(t)
			if got, err := get(at, "/"); err != nil || got != p.read("born") {
				t.Errorf("round %d: process %s answers, %v; want %s", round, got, err, p.read("born"))
			}
		}
		p.lodge("down").ok(t)
	})
}
