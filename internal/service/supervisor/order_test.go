package supervisor

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"lodge/internal/service"
)

func TestNeedsComeFirst(t *testing.T) {
	r := newRig(t)
	say := func(n string) string { return "echo " + n + " >> order; " + forever }
	r.define(
		r.spec("web", say("web"), needs("api")),
		r.spec("api", say("api"), needs("db", "migrate"), listens),
		r.spec("migrate", "echo migrate >> order", needs("db"), listens), // runs once
		r.spec("db", say("db"), listens),
		r.spec("other", say("other")),
	)
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, []string{"web"}) }()
	r.awaitState("db", service.Starting)
	for _, n := range []string{"web", "api", "migrate"} {
		r.awaitState(n, service.Waiting)
	}
	if st := r.await("migrate", "waiting for db", func(st service.Status) bool { return st.Reason != "" }); st.Reason != "for db" {
		t.Errorf("reason: %q", st.Reason)
	}
	// Each is ready when it has written, and the next one starts then.
	written := func(want string) bool { return strings.ReplaceAll(r.file("order"), "\n", " ") == want }
	if !within(func() bool { return written("db") }) {
		t.Errorf("started before db is ready: %q", r.file("order"))
	}
	r.fake.listen("db", 5432)
	if !within(func() bool { return written("db migrate api") }) {
		t.Errorf("started before api is ready: %q", r.file("order"))
	}
	r.fake.listen("api", 5433)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !within(func() bool { return written("db migrate api web") }) {
		t.Errorf("started in the order %q", r.file("order"))
	}
	if st := r.get("migrate"); st.State != service.Exited || st.Exit == nil || *st.Exit != 0 {
		t.Errorf("migrate: %+v", st)
	}
	if st := r.get("other"); st.State != service.Stopped {
		t.Errorf("other was not asked for: %+v", st)
	}
}

func TestAFailedNeedIsTheCause(t *testing.T) {
	r := newRig(t)
	r.define(
		r.spec("web", forever, needs("api")),
		r.spec("api", forever, needs("db")),
		r.spec("db", "echo broken; exit 7", restarts("never"), listens),
	)
	e := fails(t, r.Up(r.ctx, nil), "db", "ended with status 7")
	if lines(e.LastLines) != "broken" {
		t.Errorf("last lines: %q", e.LastLines)
	}
	for n, want := range map[string]string{"api": "it needs db, which is failed", "web": "it needs api, which is failed"} {
		if st := r.awaitState(n, service.Failed); st.Reason != want {
			t.Errorf("%s: %q", n, st.Reason)
		}
	}
	if r.fake.started("web")+r.fake.started("api") != 0 {
		t.Error("what needs it was started")
	}
}

func TestStopInTheOrderOfNeeds(t *testing.T) {
	r := newRig(t)
	// Each says its end, and what others it still sees.
	trap := func(n string) string {
		return "trap 'echo " + n + " >> order; exit 0' TERM; touch " + n + ".up; while :; do sleep 0.01; done"
	}
	ready := func(n string) func(*service.Spec) {
		return ready(service.Ready{Command: []string{"test", "-e", n + ".up"}})
	}
	r.define(
		r.spec("db", trap("db"), ready("db")),
		r.spec("api", trap("api"), needs("db"), ready("api")),
		r.spec("web", trap("web"), needs("api", "db"), ready("web")),
	)
	r.up()
	r.stop()
	if got := strings.ReplaceAll(r.file("order"), "\n", " "); got != "web api db" {
		t.Errorf("stopped in the order %q", got)
	}
	for _, st := range r.Status() {
		if st.State != service.Stopped || st.PID != 0 {
			t.Errorf("got %+v", st)
		}
	}
	if !r.Idle() {
		t.Error("not idle")
	}
}

func TestTwoUpsMakeOneCopy(t *testing.T) {
	r := newRig(t)
	r.fake.listen("web", 80)
	r.define(r.spec("web", forever, listens))
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for range 8 {
		wg.Add(1)
		go func() { defer wg.Done(); errs <- r.Up(r.ctx, nil) }()
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	pid := r.get("web").PID
	r.up()
	if n := r.fake.started("web"); n != 1 || r.get("web").PID != pid {
		t.Errorf("started %d times", n)
	}
}

func TestUpTellsWhenItIsStoppedMeanwhile(t *testing.T) {
	for _, state := range []service.State{service.Starting, service.Waiting, service.Backoff} {
		t.Run(string(state), func(t *testing.T) {
			r := newRig(t)
			r.define(
				r.spec("db", forever, listens),
				r.spec("web", forever, listens, needs("db")),
				r.spec("bad", "exit 1", listens),
			)
			name := map[service.State]string{service.Starting: "db", service.Waiting: "web", service.Backoff: "bad"}[state]
			done := make(chan error, 1)
			go func() { done <- r.Up(r.ctx, []string{name}) }()
			r.awaitState(name, state)
			r.stop(name)
			if name == "web" {
				r.stop("db")
			}
			var e *service.Error
			if err := <-done; !errors.As(err, &e) || !strings.Contains(e.Cause, "stopped") {
				t.Errorf("got %v", err)
			}
			if st := r.get(name); st.State != service.Stopped || st.PID != 0 {
				t.Errorf("got %+v", st)
			}
		})
	}
}
