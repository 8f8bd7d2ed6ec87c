package supervisor

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/service"
	"lodge/internal/service/backoff"
)

func TestRestartPolicies(t *testing.T) {
	for _, c := range []struct {
		policy, end string
		want        service.State // where it rests; "" for started again
		status      int
	}{
		{"", "exit 0", service.Exited, 0},
		{"", "exit 3", "", 0},
		{"on-failure", "kill -9 $$", "", 0},
		{"never", "exit 0", service.Exited, 0},
		{"never", "exit 3", service.Failed, 3},
		{"never", "kill -9 $$", service.Failed, 137},
		{"always", "exit 0", "", 0},
		{"always", "exit 3", "", 0},
	} {
		t.Run(c.policy+" "+c.end, func(t *testing.T) {
			r := newRig(t)
			r.define(r.spec("web", "while ! test -e fall; do sleep 0.01; done; rm fall; "+c.end, restarts(c.policy)))
			r.up()
			first := r.get("web").PID
			r.write("fall", "")
			if c.want == "" {
				st := r.await("web", "up again", func(st service.Status) bool { return st.State == service.Up && st.PID != first })
				if st.Restarts != 1 {
					t.Errorf("got %+v", st)
				}
				return
			}
			st := r.awaitState("web", c.want)
			if st.Exit == nil || *st.Exit != c.status || st.PID != 0 || st.Restarts != 0 {
				t.Errorf("got %+v", st)
			}
		})
	}
}

func TestABackoffSaysWhy(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "kill -TERM $$"))
	r.up()
	st := r.awaitState("web", service.Backoff)
	// How long it waits depends on how often it was started before it was looked at.
	if !regexp.MustCompile(`^ended with signal SIGTERM; next start in \d+\.\d s$`).MatchString(st.Reason) || *st.Exit != 143 {
		t.Errorf("got %+v", st)
	}
}

// One that is started again says why it has ended, until it is ready.
func TestStartedAgainSaysWhy(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "[ -e again ] || { touch again; exit 3; }; "+forever, ready(service.Ready{Command: []string{"test", "-e", "go"}})))
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	st := r.await("web", "started again", func(st service.Status) bool { return st.State == service.Starting && st.Restarts == 1 })
	if st.Reason != "it ended with status 3, and is started again" {
		t.Errorf("got %+v", st)
	}
	r.write("go", "")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if st := r.get("web"); st.State != service.Up || st.Reason != "" {
		t.Errorf("got %+v", st)
	}
}

func TestItIsGivenUpThatNeverWasReady(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "echo oops; exit 3", listens))
	e := fails(t, r.Up(r.ctx, nil), "web", "ended with status 3 before it was ready, 5 times")
	if n := r.fake.started("web"); n != backoff.EarlyTries || lines(e.LastLines) != "oops|oops|oops|oops|oops" {
		t.Errorf("%d starts, %q", n, e.LastLines)
	}
	if st := r.get("web"); st.State != service.Failed {
		t.Errorf("got %+v", st)
	}
	// By hand it is tried anew.
	r.fake.listen("web", 80)
	r.define(r.spec("web", forever, listens))
	r.up()
}

// One that was ready goes on for ever by itself, but a person who asks for a
// restart hears that it does not come.
func TestARestartByHandThatDoesNotComeIsTold(t *testing.T) {
	r := newRig(t)
	r.fake.listen("web", 80)
	r.define(r.spec("web", "test -e bad && exit 4; "+forever, listens))
	r.up()
	r.write("bad", "")
	r.fake.listen("web")
	fails(t, r.Restart(r.ctx, []string{"web"}), "web", "ended with status 4 before it was ready, 5 times")
	if err := os.Remove(filepath.Join(r.dir, "bad")); err != nil {
		t.Fatal(err)
	}
	r.fake.listen("web", 80)
	if err := r.Restart(r.ctx, []string{"web"}); err != nil {
		t.Fatal(err)
	}
}

func TestRestartReplacesTheProcess(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("db", forever), r.spec("web", forever, needs("db")), r.spec("rest", forever))
	r.up("web")
	db, web := r.get("db").PID, r.get("web").PID
	if err := r.Restart(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	if st := r.get("db"); st.State != service.Up || st.PID == db || st.Restarts != 1 {
		t.Errorf("db: %+v", st)
	}
	if st := r.get("web"); st.State != service.Up || st.PID == web || st.Restarts != 1 {
		t.Errorf("web: %+v", st)
	}
	if st := r.get("rest"); st.State != service.Stopped {
		t.Errorf("what was stopped is not restarted: %+v", st)
	}
	if err := r.Restart(r.ctx, []string{"rest"}); err != nil { // by name it is started
		t.Fatal(err)
	}
	if st := r.get("rest"); st.State != service.Up || st.Restarts != 0 {
		t.Errorf("rest: %+v", st)
	}
	for _, pid := range []int{db, web} {
		if !goneSoon(pid) {
			t.Errorf("process %d of before goes on", pid)
		}
	}
	got := r.store.Tail("web", 10)
	if len(got) != 1 || got[0].Text != "[lodge] restarted: asked to" {
		t.Errorf("its log: %v", got)
	}
}

func TestRestartWhileItStarts(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", forever, listens))
	up, again := make(chan error, 1), make(chan error, 1)
	go func() { up <- r.Up(r.ctx, nil) }()
	first := r.awaitState("web", service.Starting)
	go func() { again <- r.Restart(r.ctx, []string{"web"}) }()
	r.await("web", "started again", func(st service.Status) bool {
		return st.State == service.Starting && st.PID != 0 && st.PID != first.PID
	})
	r.fake.listen("web", 80)
	for _, ch := range []chan error{up, again} {
		if err := <-ch; err != nil {
			t.Error(err)
		}
	}
	if n := r.fake.started("web"); n != 2 {
		t.Errorf("started %d times", n)
	}
}

func TestStopDuringRestart(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", forever, listens))
	r.fake.listen("web", 80)
	r.up()
	r.fake.listen("web")
	done := make(chan error, 1)
	go func() { done <- r.Restart(r.ctx, nil) }()
	r.await("web", "starting again", func(st service.Status) bool { return st.State == service.Starting && st.Restarts == 1 && st.PID != 0 })
	r.stop("web")
	fails(t, <-done, "web", "stopped meanwhile")
}

func TestACrashIsOverByHandAtOnce(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "test -e ok || exit 1; "+forever))
	r.up()
	// Up comes back between two crashes; wait for a long pause.
	r.await("web", "restarted a few times", func(st service.Status) bool { return st.State == service.Backoff && st.Restarts >= 3 })
	r.write("ok", "")
	r.up()
	if err := r.Restart(r.ctx, nil); err != nil {
		t.Error(err)
	}
	if st := r.awaitState("web", service.Up); st.PID == 0 {
		t.Errorf("got %+v", st)
	}
}

func TestWatchedFilesRestart(t *testing.T) {
	r := newRig(t)
	r.write("app.py", "1")
	r.fake.listen("web", 80)
	r.define(r.spec("web", forever, listens, func(s *service.Spec) { s.Watch, s.WatchRoot = []string{"*.py"}, r.dir }))
	r.up()
	first := r.get("web").PID
	r.write("app.py", "2")
	r.await("web", "restarted", func(st service.Status) bool { return st.State == service.Up && st.PID != first && st.PID != 0 })
	if got := r.store.Tail("web", 10); len(got) != 1 || got[0].Text != "[lodge] restarted: app.py changed" {
		t.Errorf("its log: %v", got)
	}
}

// A change while the service waits after a crash is most likely the mend.
func TestAChangeEndsABackoff(t *testing.T) {
	r := newRig(t)
	r.write("app.py", "1")
	r.define(r.spec("web", "test -e go || { echo on > on; "+forever+"; }; test -e ok || exit 1; "+forever, func(s *service.Spec) { s.Watch, s.WatchRoot = []string{"*.py"}, r.dir }))
	r.up()
	r.file("on")
	r.write("go", "")
	r.crash("web")
	r.await("web", "in a long backoff", func(st service.Status) bool { return st.State == service.Backoff && st.Restarts >= 5 })
	starts := r.fake.started("web")
	r.write("ok", "")
	r.write("app.py", "2")
	r.awaitState("web", service.Up)
	if n := r.fake.started("web"); n != starts+1 {
		t.Errorf("%d starts after the change", n-starts)
	}
}

// crash kills the main process of a service.
func (r *rig) crash(name string) {
	r.t.Helper()
	pid := r.get(name).PID
	if pid == 0 { // which would be everything in this group
		r.t.Fatalf("%s does not run", name)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
}

func TestALoopOfRestartsIsBroken(t *testing.T) {
	r := newRig(t)
	r.write("app.py", "1")
	// It changes at each start the file that it is restarted for.
	r.define(r.spec("web", "date +%N >> app.py; "+forever, func(s *service.Spec) { s.Watch, s.WatchRoot = []string{"*.py"}, r.dir }))
	r.up()
	st := r.await("web", "left alone", func(st service.Status) bool { return strings.Contains(st.Reason, "restarts in a loop: app.py") })
	if st.State != service.Up {
		t.Errorf("got %+v", st)
	}
}

func TestAnotherDefinition(t *testing.T) {
	r := newRig(t)
	r.fake.listen("web", 80)
	r.define(r.spec("web", forever, listens), r.spec("same", forever), r.spec("old", forever), r.spec("idle", forever))
	r.up("web", "same", "old")
	web, same, old := r.get("web").PID, r.get("same").PID, r.get("old").PID
	r.env = append(r.env, "TERMINAL=another") // is for the next start only
	r.define(r.spec("new", forever), r.spec("web", "echo new; "+forever, listens), r.spec("same", forever), r.spec("idle", "other"))
	if !goneSoon(old) {
		t.Error("what is not named any more goes on")
	}
	st := r.await("web", "restarted", func(st service.Status) bool { return st.State == service.Up && st.PID != web && st.PID != 0 })
	if st.Command != "echo new; "+forever {
		t.Errorf("command: %q", st.Command)
	}
	if r.get("same").PID != same {
		t.Error("what did not change was restarted")
	}
	var names []string
	for _, st := range r.Status() {
		names = append(names, st.Name)
	}
	if lines(names) != "new|web|same|idle" {
		t.Errorf("order: %v", names)
	}
	if r.get("idle").State != service.Stopped || r.get("new").State != service.Stopped {
		t.Error("a definition starts nothing")
	}
	r.define()
	if len(r.Status()) != 0 || !goneSoon(same) {
		t.Errorf("left: %v", r.Status())
	}
}

func TestADefinitionWhileUpWaits(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("db", forever, listens), r.spec("web", forever, needs("db")))
	done := make(chan error, 1)
	go func() { done <- r.Up(r.ctx, nil) }()
	r.awaitState("db", service.Starting)
	r.define(r.spec("web", forever)) // db is gone, and not needed any more
	if err := <-done; err == nil || !strings.Contains(err.Error(), "db") {
		t.Errorf("got %v", err)
	}
	r.awaitState("web", service.Up)
}

func TestReadyAgainAfterACrash(t *testing.T) {
	r := newRig(t)
	r.fake.listen("web", 80)
	r.define(r.spec("web", forever, listens, timeout(time.Minute)))
	r.up()
	for i := range 3 {
		pid := r.get("web").PID
		r.crash("web")
		st := r.await("web", "up again", func(st service.Status) bool { return st.State == service.Up && st.PID != pid && st.PID != 0 })
		if st.Restarts != i+1 {
			t.Errorf("got %+v", st)
		}
	}
}
