package supervisor

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/service"
)

func watches(r *rig) func(*service.Spec) {
	return func(s *service.Spec) { s.Watch, s.WatchRoot = []string{"*.py"}, r.dir }
}

// What has failed for good is started by the change of a watched file, and then
// what failed only because it needs it.
func TestAChangeStartsWhatHasFailed(t *testing.T) {
	r := newRig(t)
	r.write("app.py", "1")
	r.define(r.spec("api", "[ -e ok ] || exit 3; touch up; "+forever, restarts("never"), watches(r), ready(service.Ready{Command: []string{"test", "-e", "up"}})),
		r.spec("web", forever, needs("api")), r.spec("page", forever, needs("web")), r.spec("rest", forever))
	if err := r.Up(r.ctx, []string{"page"}); err == nil {
		t.Fatal("up succeeds")
	}
	for _, name := range []string{"api", "web", "page"} {
		r.awaitState(name, service.Failed)
	}
	r.write("ok", "")
	r.write("app.py", "2")
	for _, name := range []string{"api", "web", "page"} {
		r.awaitState(name, service.Up)
	}
	if st := r.get("rest"); st.State != service.Stopped {
		t.Errorf("what was not asked for: %+v", st)
	}
	var said []string
	for _, l := range r.store.Tail("api", 10) {
		said = append(said, l.Text)
	}
	if want := []string{"[lodge] failed: ended with status 3", "[lodge] started: app.py changed"}; !slices.Equal(said, want) {
		t.Errorf("its log: %q, want %q", said, want)
	}
}

// A job that has ended is run again by a change, and no more once it was stopped.
func TestAChangeRunsAJobAgain(t *testing.T) {
	r := newRig(t)
	r.write("app.py", "1")
	r.define(r.spec("job", "echo $$ >> ran", watches(r)))
	r.up()
	r.awaitState("job", service.Exited)
	r.write("app.py", "2")
	r.await("job", "run again", func(st service.Status) bool { return st.State == service.Exited && r.fake.started("job") == 2 })
	r.stop("job")
	if st := r.get("job"); st.State != service.Stopped {
		t.Errorf("got %+v", st)
	}
	if job := r.runners["job"]; job.files != nil { // its loop has answered, and waits
		t.Error("its files are watched still")
	}
}

// What was kept for a restart is let go also where a second restart, before the
// new process listened, found nothing more to keep.
func TestHeldOverTwoRestarts(t *testing.T) {
	r := newRig(t)
	h := &holding{fake: r.fake, once: true}
	r.Supervisor.inside = h
	r.define(r.spec("web", "[ ! -e broken ] || exit 3; [ ! -e slow ] || "+forever+"; touch up; "+forever, ready(service.Ready{Command: []string{"test", "-e", "up"}})))
	r.up()
	if err := unix.Unlink(r.dir + "/up"); err != nil {
		t.Fatal(err)
	}
	r.write("slow", "")
	errs := make(chan error, 2) // what became of it is in the status
	go func() { errs <- r.Restart(r.ctx, nil) }()
	first := r.await("web", "starting", func(st service.Status) bool { return st.State == service.Starting && st.Restarts == 1 && st.PID != 0 })
	r.write("broken", "")
	go func() { errs <- r.Restart(r.ctx, nil) }()
	r.await("web", "failing", func(st service.Status) bool { return st.Failing != "" && st.PID != first.PID })
	r.stop()
	<-errs
	<-errs
	if got, want := h.told(), []string{"hold", "hold", "let go"}; !slices.Equal(got, want) {
		t.Errorf("told to %q, want %q", got, want)
	}
}
