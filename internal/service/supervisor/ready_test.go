package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lodge/internal/home"
	"lodge/internal/loopback"
	"lodge/internal/service"
	"lodge/internal/service/settle"
)

func TestReadyWhenItListens(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", forever, listens))
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	r.awaitState("web", service.Starting)
	r.fake.listen("other", 3000) // somebody else's
	select {
	case err := <-done:
		t.Fatalf("ready although it listens nowhere: %v", err)
	default:
	}
	r.fake.listen("web", 3000)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	st := r.get("web")
	if st.State != service.Up || st.PID == 0 || st.StartedAt == nil || len(st.Endpoints) != 1 || st.Endpoints[0].Port != 3000 {
		t.Errorf("got %+v", st)
	}
	if others := r.Others(); len(others) != 0 {
		t.Errorf("others: %v", others)
	}
}

// A real process and a real socket: what the fake stands for.
func TestReadyWithARealSocket(t *testing.T) {
	r := newRig(t)
	r.fake.mu.Lock()
	r.fake.real = true
	r.fake.mu.Unlock()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r.define(r.spec("web", "", listens, func(s *service.Spec) { s.Argv = []string{exe, "listen", "127.0.0.1:0"} }))
	// nonehome tells of changes; the fake does not pass them on.
	go func() {
		for {
			select {
			case <-r.fake.Inside.Changes():
				r.fake.poke()
			case <-r.ctx.Done():
				return
			}
		}
	}()
	r.up()
	if eps := r.get("web").Endpoints; len(eps) != 1 || eps[0].Port == 0 {
		t.Errorf("endpoints: %v", eps)
	}
}

func TestReadyOnThePortThatIsExpected(t *testing.T) {
	r := newRig(t)
	r.fake.listen("web", 9229)
	r.define(r.spec("web", forever, ready(service.Ready{TCP: []uint16{5173, 9229}})))
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	r.await("web", "listening on the other port", func(st service.Status) bool { return len(st.Endpoints) == 1 })
	select {
	case err := <-done:
		t.Fatalf("ready with another port: %v", err)
	default:
	}
	r.fake.listen("web", 9229, 5173)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAnEphemeralUDPPortIsNoService(t *testing.T) {
	r := newRig(t)
	udp := func(port uint16) loopback.Endpoint {
		return loopback.Endpoint{Protocol: loopback.UDP, IP: netip.MustParseAddr("127.0.0.1"), Port: port, Service: "dns"}
	}
	set := func(eps ...loopback.Endpoint) {
		r.fake.mu.Lock()
		r.fake.ports["dns"] = eps
		r.fake.mu.Unlock()
		r.fake.changes <- struct{}{}
	}
	r.define(r.spec("dns", forever, listens))
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	r.awaitState("dns", service.Starting)
	set(udp(40000))
	r.await("dns", "bound", func(st service.Status) bool { return len(st.Endpoints) == 1 })
	select {
	case err := <-done:
		t.Fatalf("ready: %v", err)
	default:
	}
	set(udp(40000), udp(5353))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestNotReadyInItsTime(t *testing.T) {
	const talk = "echo one; echo two; printf 'no line end'; " + forever
	for _, c := range []struct {
		name, script string
		change       func(*service.Spec)
		cause, hint  string
		late         bool
	}{
		{"listens nowhere", talk, listens, "it runs but listens nowhere inside its home", "ready = false", true},
		{"not on its ports", talk, ready(service.Ready{TCP: []uint16{81, 82}}), "it does not listen on port 81, 82", "", true},
		{"http, nothing listens", talk, ready(service.Ready{HTTP: "/"}), "it listens nowhere inside its home", "", true},
		{"a line that does not come", talk, ready(service.Ready{Log: "^ready$"}), `no line of its output matches "^ready$"`, "", true},
		{"a command that fails", talk, ready(service.Ready{Command: []string{"sh", "-c", "exit 3"}}), "its ready command ends with status 3", "", true},
		{"a command that is not there", talk, ready(service.Ready{Command: []string{"sh", "-c", "lodge-no-such"}}), "its ready command ends with status 127: a program in it was not found", "", true},
		{"a command that hangs", talk, ready(service.Ready{Command: []string{"sleep", "1000"}}), "its ready command did not end", "", true},
		{"a command that is not there", talk, ready(service.Ready{Command: []string{"lodge-no-such"}}), `command "lodge-no-such" not found in PATH`, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.define(r.spec("web", c.script, c.change, timeout(time.Second)))
			e := fails(t, r.Up(r.ctx, nil), "web", c.cause)
			if !strings.Contains(e.Cause, "not ready") || c.late != strings.Contains(e.Cause, "after 1s") || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("got %q, hint %q", e.Cause, e.Hint)
			}
			if got := lines(e.LastLines); c.late && got != "one|two|no line end" {
				t.Errorf("last lines: %q", got)
			}
			if st := r.get("web"); st.State != service.Failed || st.PID != 0 {
				t.Errorf("got %+v", st)
			}
			if pids, err := r.inside.Pids(""); err != nil || len(pids) > 0 {
				t.Errorf("it still runs: %v, %v", pids, err)
			}
		})
	}
}

// The port of a name says where that leads, and not when the service is ready.
func TestTheNamesPortDoesNotDecide(t *testing.T) {
	r := newRig(t)
	r.fake.listen("web", 9000)
	r.define(r.spec("web", forever, listens, func(s *service.Spec) { s.HTTP = 5173 }))
	r.up()
	// One of which a port is known is no worker.
	if mayBeWorker(service.Spec{HTTP: 5173}) || mayBeWorker(service.Spec{Port: 1}) || mayBeWorker(service.Spec{Listen: true}) || !mayBeWorker(service.Spec{}) {
		t.Error("a service that says its port is taken for a worker, or one that does not is not")
	}
}

func TestAWorkerIsReady(t *testing.T) {
	r := newRig(t)
	r.worker = settle.IdleTimes{Least: 300 * time.Millisecond, Quiet: 200 * time.Millisecond, Every: 25 * time.Millisecond}
	r.define(r.spec("worker", forever, listens), r.spec("dep", forever, needs("worker")))
	if err := r.Up(r.ctx, []string{"dep"}); err != nil {
		t.Fatal(err)
	}
	if st := r.get("worker"); st.State != service.Up || st.Reason != workerReason {
		t.Errorf("got %+v", st)
	}
}

func TestSoftReadiness(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("worker", forever, ready(service.Ready{Soft: true}), timeout(50*time.Millisecond)))
	r.up()
	if st := r.get("worker"); st.State != service.Up {
		t.Errorf("got %+v", st)
	}
}

func TestReadyByHTTP(t *testing.T) {
	r := newRig(t)
	var asked, healthy atomic.Int32
	var host atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		host.Store(req.Host)
		if req.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		asked.Add(1)
		if healthy.Load() == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, req, "/login", http.StatusFound) // is an answer
	}))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	n, _ := strconv.Atoi(port)
	r.fake.listen("web", uint16(n))
	r.define(r.spec("web", forever, ready(service.Ready{HTTP: "/healthz"})))
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	if !within(func() bool { return asked.Load() >= 3 }) {
		t.Fatal("not asked again")
	}
	select {
	case err := <-done:
		t.Fatalf("ready although it answers 503: %v", err)
	default:
	}
	healthy.Store(1)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := host.Load(); got != "localhost:"+port {
		t.Errorf("Host: %v", got)
	}
}

func TestReadyByHTTPTellsTheLastAnswer(t *testing.T) {
	r := newRig(t)
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	n, _ := strconv.Atoi(port)
	r.fake.listen("web", uint16(n))
	r.define(r.spec("web", forever, ready(service.Ready{HTTP: "/up"}), timeout(time.Second)))
	fails(t, r.Up(r.ctx, nil), "web", "/up answers 404 Not Found")
}

func TestReadyByCommand(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("db", forever, ready(service.Ready{Command: []string{"sh", "-c", `echo "$PORT $LODGE_PROJECT $EXTRA" >> asked; test -e go`}}),
		func(s *service.Spec) { s.Port, s.Env = 5432, []string{"EXTRA=more"} }))
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	if got := strings.Fields(r.file("asked")); strings.Join(got[:3], " ") != "5432 shop more" {
		t.Errorf("its environment: %q", got)
	}
	r.write("go", "")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestReadyByLogLine(t *testing.T) {
	r := newRig(t)
	// The line of an earlier life does not count.
	r.define(r.spec("job", `test -e again || echo ready to serve; while ! test -e go; do sleep 0.01; done; echo now ready to serve; `+forever,
		ready(service.Ready{Log: "ready to .*"})))
	r.up()
	r.write("again", "")
	done := make(chan error, 1)
	go func() { done <- r.Restart(r.ctx, []string{"job"}) }()
	r.await("job", "started anew", func(st service.Status) bool { return st.Restarts == 1 && st.State == service.Starting && st.PID != 0 })
	select {
	case err := <-done:
		t.Fatalf("ready by the line of its earlier life: %v", err)
	default:
	}
	r.write("go", "")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestALostPortIsNamed(t *testing.T) {
	r := newRig(t)
	r.fake.listen("one", 3000)
	r.define(r.spec("one", forever, listens), r.spec("two", "while ! test -e go; do sleep 0.01; done; echo EADDRINUSE; exit 1", listens, needs("one"), restarts("never")))
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	r.awaitState("two", service.Starting)
	r.fake.conflicts <- home.Conflict{Service: "two", Protocol: loopback.TCP, Port: 3000}
	if !within(func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.conflicts) == 1 }) {
		t.Fatal("the conflict was not noted")
	}
	r.write("go", "")
	e := fails(t, <-done, "two", "ended with status 1; port 3000 is taken inside by service one")
	if !strings.Contains(e.Hint, "lodge down one") || lines(e.LastLines) != "EADDRINUSE" {
		t.Errorf("hint %q, last lines %q", e.Hint, e.LastLines)
	}
}

func TestUpWaitsNoLongerThanItsContext(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", forever, listens))
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan error, 1)
	go func() { done <- r.Up(ctx, nil) }()
	r.awaitState("web", service.Starting)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	r.fake.listen("web", 80) // it goes on
	r.awaitState("web", service.Up)
}

func TestUnknownServices(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", forever), r.spec("api", forever, needs("nothing")))
	for name, call := range map[string]func(context.Context, []string) error{"up": r.Up, "restart": r.Restart, "stop": r.Stop} {
		err := call(r.ctx, []string{"wbe"})
		if err == nil || !strings.Contains(err.Error(), "wbe: no such service (there are: web, api)") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Up(r.ctx, []string{"api"}); err == nil || !strings.Contains(err.Error(), "nothing: no such service") {
		t.Errorf("a need that is not there: %v", err)
	}
	// Asked for by another way, it says so as well.
	if err := r.Restart(r.ctx, []string{"api"}); err == nil || !strings.Contains(err.Error(), "it needs nothing, which is no service") {
		t.Errorf("a need that is not there: %v", err)
	}
}

func TestCannotStart(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*service.Spec)
		cause  string
		hint   string
	}{
		{"no program", func(s *service.Spec) { s.Argv = []string{"lodge-no-such"} }, `command "lodge-no-such" not found in PATH (`, "install it"},
		{"a PATH of its own", func(s *service.Spec) { s.Env = []string{"PATH=/nowhere:/else"} }, `command "sh" not found in PATH (/nowhere:/else)`, "install it"},
		{"no directory", func(s *service.Spec) { s.Dir = "/nowhere/at/all" }, "its directory /nowhere/at/all is not there", "lodge down"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.define(r.spec("web", forever, c.change))
			e := fails(t, r.Up(r.ctx, nil), "web", c.cause)
			if !strings.Contains(e.Hint, c.hint) {
				t.Errorf("hint: %q", e.Hint)
			}
		})
	}
	t.Run("the engine fails", func(t *testing.T) {
		r := newRig(t)
		r.fake.failing = fmt.Errorf("no more cgroups")
		r.define(r.spec("web", forever))
		fails(t, r.Up(r.ctx, nil), "web", "no more cgroups")
		r.fake.mu.Lock()
		r.fake.failing = nil
		r.fake.mu.Unlock()
		r.up() // and is well again
	})
}

// TestCannotWatch: a service whose files cannot be watched runs, and its log and
// status say so.
func TestCannotWatch(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", forever, func(s *service.Spec) { s.Watch, s.WatchRoot = []string{"*.py"}, "/nowhere/at/all" }))
	if err := r.Up(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	r.await("web", "a warning", func(st service.Status) bool {
		return len(st.Warnings) == 1 && strings.Contains(st.Warnings[0], "/nowhere/at/all")
	})
	said := r.logs.Tail("web", 10)
	if len(said) != 1 || !said[0].Note || !strings.Contains(said[0].Text, "[lodge] watch /nowhere/at/all") {
		t.Errorf("its log: %v", said)
	}
}
