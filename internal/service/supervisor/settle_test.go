package supervisor

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

func tcpAt(port uint16, inode uint32) loopback.Endpoint {
	return loopback.Endpoint{Protocol: loopback.TCP, IP: netip.MustParseAddr("127.0.0.1"), Port: port, Service: "web", Inode: inode}
}

// A program tries a port: one reading sees it, and nobody tells that it was
// closed. What needs it starts when it listens for good, and gets that port.
func TestAPortThatIsOnlyTried(t *testing.T) {
	r := newRig(t)
	r.fake.finds("web", []uint16{3000})
	r.define(r.spec("web", forever, listens), r.spec("dep", `echo "$WEB_PORT" >port; `+forever, needs("web")))
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	if !within(func() bool {
		r.fake.mu.Lock()
		defer r.fake.mu.Unlock()
		return len(r.fake.next["web"]) == 0 && r.fake.starts["web"] == 1
	}) {
		t.Fatal("the sockets were not read")
	}
	seen := r.fake.read()
	if !within(func() bool { return r.fake.read() > seen }) {
		t.Fatal("the sockets were not read again")
	}
	select {
	case err := <-done:
		t.Fatalf("up has returned: %v", err)
	default:
	}
	if st := r.get("web"); st.State != service.Starting || r.fake.started("dep") != 0 {
		t.Errorf("web is %s, dep started %d times", st.State, r.fake.started("dep"))
	}
	r.fake.listen("web", 3001)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := r.file("port"); got != "3001" {
		t.Errorf("the port that dep got: %q", got)
	}
}

// A debugger's port that is there from the start is not the service's own,
// unless the file says so: what needs it waits for the other.
func TestADebuggersPortIsNotTheService(t *testing.T) {
	r := newRig(t)
	r.control = time.Hour
	r.fake.listen("web", 9229)
	r.fake.listen("given", 5005)
	given := r.spec("given", forever, listens)
	given.Port = 5005
	r.define(r.spec("web", forever, listens), given, r.spec("dep", `echo "$WEB_PORT $GIVEN_PORT" >port; `+forever, needs("web", "given")))
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	if !within(func() bool { return r.get("given").State == service.Up }) {
		t.Fatalf("a server on the port that it was given is %s", r.get("given").State)
	}
	if st := r.get("web"); st.State != service.Starting || r.fake.started("dep") != 0 {
		t.Errorf("web is %s, dep started %d times", st.State, r.fake.started("dep"))
	}
	r.fake.listen("web", 9229, 3000)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := r.file("port"); got != "3000 5005" {
		t.Errorf("the ports that dep got: %q", got)
	}
}

// What needs a service gets its lowest port, although another opened first.
func TestTheLowestPortAndNotTheFirst(t *testing.T) {
	r := newRig(t)
	r.fake.finds("web", []uint16{4000})
	r.fake.listen("web", 4000, 3000)
	r.define(r.spec("web", forever, listens), r.spec("dep", `echo "$WEB_PORT" >port; `+forever, needs("web")))
	r.up()
	if got := r.file("port"); got != "3000" {
		t.Errorf("got %q", got)
	}
}

func TestOneThatListensNoMoreIsStarting(t *testing.T) {
	r := newRig(t)
	r.fake.listen("web", 3000)
	r.define(r.spec("web", forever, listens), r.spec("late", forever, needs("web")), r.spec("log", "echo on; "+forever, ready(service.Ready{Log: "on"})))
	r.fake.listen("log", 5000)
	r.up("web", "log")
	first := r.get("web")
	r.fake.listen("log")
	r.fake.listen("web")
	st := r.awaitState("web", service.Starting)
	if st.PID != first.PID || st.Restarts != 0 || !strings.Contains(st.Reason, "it listened on port 3000, and listens nowhere now") {
		t.Errorf("got %+v", st)
	}
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	r.await("late", "waiting", func(st service.Status) bool { return st.State == service.Waiting && st.Reason == "for web" })
	select {
	case err := <-done:
		t.Fatalf("up has returned: %v", err)
	default:
	}
	r.fake.listen("web", 3000)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if st := r.get("web"); st.State != service.Up || st.PID != first.PID || st.Reason != "" || r.fake.started("web") != 1 {
		t.Errorf("got %+v", st)
	}
	if st := r.get("log"); st.State != service.Up {
		t.Errorf("its log line is what counts: %+v", st)
	}
}

// A reading of the kernel's list that misses a socket is none of it.
func TestOneReadingMayMissASocket(t *testing.T) {
	r := newRig(t)
	r.fake.listen("web", 3000)
	r.define(r.spec("web", forever, listens))
	r.up()
	r.fake.finds("web", []uint16{})
	before := r.fake.read()
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	if st := r.get("web"); st.State != service.Up || len(st.Endpoints) != 1 || r.fake.read() < before+2 {
		t.Errorf("after %d readings: %+v", r.fake.read()-before, st)
	}
}

// A service that was ready and does not listen again, such as a job that had a
// server for a while, is not failed; what needs it is told in time.
func TestOneThatDoesNotListenAgainGoesOn(t *testing.T) {
	r := newRig(t)
	r.fake.listen("job", 3000)
	r.define(r.spec("job", "until test -e end; do sleep 0.05; done", listens, timeout(time.Second)),
		r.spec("late", forever, needs("job")), r.spec("later", forever, needs("late")))
	r.up("job")
	pid := r.get("job").PID
	r.fake.listen("job")
	r.awaitState("job", service.Starting)
	if err := r.Up(r.ctx, []string{"job"}); err != nil {
		t.Errorf("it has not failed: %v", err)
	}
	for _, name := range []string{"late", "later"} {
		err := r.Up(r.ctx, []string{name})
		var e *service.Error
		if !errors.As(err, &e) || !strings.Contains(e.Cause, "it needs ") || e.Hint != hintNeeds {
			t.Errorf("%s: %v", name, err)
		}
	}
	if st := r.get("job"); st.State != service.Starting || st.PID != pid {
		t.Errorf("got %+v", st)
	}
	r.fake.listen("job", 3000)
	r.awaitState("job", service.Up)
	r.awaitState("later", service.Up)
	r.fake.listen("job")
	r.awaitState("job", service.Starting)
	if err := os.WriteFile(r.dir+"/end", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if st := r.awaitState("job", service.Exited); st.Exit == nil || *st.Exit != 0 {
		t.Errorf("got %+v", st)
	}
}

// Without a word from the engine it is seen all the same.
func TestABlindEngineIsAskedAgain(t *testing.T) {
	r := newRig(t)
	r.fake.engine = loopback.Seccomp
	r.fake.listen("web", 3000)
	r.define(r.spec("web", forever, listens))
	r.up()
	r.fake.mu.Lock()
	r.fake.ports["web"] = nil
	r.fake.mu.Unlock()
	r.awaitState("web", service.Starting)
	r.fake.mu.Lock()
	r.fake.ports["web"] = []loopback.Endpoint{tcpAt(3001, 7)}
	r.fake.mu.Unlock()
	r.fake.poke()
	r.awaitState("web", service.Up)
}
