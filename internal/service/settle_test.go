package service

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"lodge/internal/loopback"
)

func tcpAt(port uint16, inode uint32) loopback.Endpoint {
	return loopback.Endpoint{Protocol: loopback.TCP, IP: netip.MustParseAddr("127.0.0.1"), Port: port, Service: "web", Inode: inode}
}

// TestSettling gives readings of a service's sockets, and when it is ready.
func TestSettling(t *testing.T) {
	const ms = time.Millisecond
	type reading struct {
		at   time.Duration // since its start
		eps  []loopback.Endpoint
		left time.Duration // that it must still stay so; -1 for "it listens nowhere"
	}
	one, again, two := tcpAt(3000, 1), tcpAt(3000, 2), tcpAt(4000, 3)
	inspector, debugger := tcpAt(9229, 4), tcpAt(5005, 5)
	list := func(eps ...loopback.Endpoint) []loopback.Endpoint { return eps }
	wanted := map[string][]PortName{
		"ports with names":               {{Name: "api", Port: 4000}},
		"a port with a name never comes": {{Name: "api", Port: 4000}},
	}
	for name, c := range map[string][]reading{
		"a program that starts at once": {
			{2 * ms, list(), -1}, {4 * ms, list(one), settleLeast}, {4*ms + settleLeast, list(one), 0},
		},
		"an interpreter takes longer": {
			{40 * ms, list(one), 120 * ms}, {100 * ms, list(one), 60 * ms}, {160 * ms, list(one), 0},
		},
		"and never longer than that": {
			{5000 * ms, list(one), settleMost}, {5000*ms + settleMost, list(one), 0},
		},
		"a port that is only tried": {
			{40 * ms, list(one), 120 * ms}, {70 * ms, list(), -1}, {3000 * ms, list(again), settleMost}, {3000*ms + settleMost, list(again), 0},
		},
		"tried and opened again between two readings": {
			{10 * ms, list(one), 30 * ms}, {20 * ms, list(again), settleMost}, {20*ms + settleMost, list(again), 0},
		},
		"tried on one port, and on the next for good": {
			{10 * ms, list(one), 30 * ms}, {20 * ms, list(two), settleMost}, {20*ms + settleMost, list(two), 0},
		},
		"a second port": {
			{10 * ms, list(two), 30 * ms}, {30 * ms, list(one, two), 30 * ms}, {60 * ms, list(two, one), 0},
		},
		"one port stays while others come and go": {
			{10 * ms, list(one), 30 * ms}, {1000 * ms, list(one, two), 30 * ms}, {1020 * ms, list(one), settleMost},
			{1900 * ms, list(one, two), 110 * ms}, {2010 * ms, list(one, again), 0},
		},
		"an inspector that opens first": {
			{10 * ms, list(inspector), settleControl}, {5000 * ms, list(inspector), settleControl - 4990*ms},
			{6000 * ms, list(inspector, one), 30 * ms}, {6030 * ms, list(inspector, one), 0},
		},
		"ports with names": {
			{10 * ms, list(one), settleControl}, {20 * ms, list(one), settleControl - 10*ms}, {1000 * ms, list(one, two), 30 * ms}, {1030 * ms, list(one, two), 0},
		},
		"a port with a name never comes": {
			{10 * ms, list(one), settleControl}, {10*ms + settleControl, list(one), 0},
		},
		"nothing but a debugger": {
			{10 * ms, list(debugger), settleControl}, {10*ms + settleControl, list(debugger), 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			w := settling{began: began, control: settleControl, wanted: wanted[name]}
			for _, r := range c {
				left, ok := w.see(r.eps, began.Add(r.at))
				if ok != (r.left >= 0) || ok && left != r.left {
					t.Errorf("after %s: %s, %t; want %s", r.at, left, ok, r.left)
				}
			}
		})
	}
}

func TestSoftWaitIsLongerForAServer(t *testing.T) {
	began := time.Now()
	w := settling{began: began}
	w.see(nil, began)
	if got := w.over(time.Second); got != began.Add(time.Second) {
		t.Errorf("one that never listened: %s", got.Sub(began))
	}
	at := began.Add(500 * time.Millisecond)
	w.see([]loopback.Endpoint{tcpAt(3000, 1)}, began.Add(400*time.Millisecond))
	w.see(nil, at)
	if got := w.over(time.Second); got != at.Add(softTried) {
		t.Errorf("one that listened: %s", got.Sub(at))
	}
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
	if st := r.get("web"); st.State != Starting || r.fake.started("dep") != 0 {
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
	if !within(func() bool { return r.get("given").State == Up }) {
		t.Fatalf("a server on the port that it was given is %s", r.get("given").State)
	}
	if st := r.get("web"); st.State != Starting || r.fake.started("dep") != 0 {
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
	r.define(r.spec("web", forever, listens), r.spec("late", forever, needs("web")), r.spec("log", "echo on; "+forever, ready(Ready{Log: "on"})))
	r.fake.listen("log", 5000)
	r.up("web", "log")
	first := r.get("web")
	r.fake.listen("log")
	r.fake.listen("web")
	st := r.awaitState("web", Starting)
	if st.PID != first.PID || st.Restarts != 0 || !strings.Contains(st.Reason, "it listened on port 3000, and listens nowhere now") {
		t.Errorf("got %+v", st)
	}
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	r.await("late", "waiting", func(st Status) bool { return st.State == Waiting && st.Reason == "for web" })
	select {
	case err := <-done:
		t.Fatalf("up has returned: %v", err)
	default:
	}
	r.fake.listen("web", 3000)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if st := r.get("web"); st.State != Up || st.PID != first.PID || st.Reason != "" || r.fake.started("web") != 1 {
		t.Errorf("got %+v", st)
	}
	if st := r.get("log"); st.State != Up {
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
	if st := r.get("web"); st.State != Up || len(st.Endpoints) != 1 || r.fake.read() < before+2 {
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
	r.awaitState("job", Starting)
	if err := r.Up(r.ctx, []string{"job"}); err != nil {
		t.Errorf("it has not failed: %v", err)
	}
	for _, name := range []string{"late", "later"} {
		err := r.Up(r.ctx, []string{name})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Cause, "it needs ") || e.Hint != hintNeeds {
			t.Errorf("%s: %v", name, err)
		}
	}
	if st := r.get("job"); st.State != Starting || st.PID != pid {
		t.Errorf("got %+v", st)
	}
	r.fake.listen("job", 3000)
	r.awaitState("job", Up)
	r.awaitState("later", Up)
	r.fake.listen("job")
	r.awaitState("job", Starting)
	if err := os.WriteFile(r.dir+"/end", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if st := r.awaitState("job", Exited); st.Exit == nil || *st.Exit != 0 {
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
	r.awaitState("web", Starting)
	r.fake.mu.Lock()
	r.fake.ports["web"] = []loopback.Endpoint{tcpAt(3001, 7)}
	r.fake.mu.Unlock()
	r.fake.poke()
	r.awaitState("web", Up)
}
