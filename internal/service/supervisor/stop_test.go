package supervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/logs"
	"lodge/internal/service"
)

func TestStopLetsAProgramEndWell(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", `trap 'echo bye; echo done > ended; exit 0' TERM; touch up; while :; do sleep 0.01; done`,
		ready(service.Ready{Command: []string{"test", "-e", "up"}})))
	r.up()
	r.stop("web")
	if r.file("ended") != "done" {
		t.Error("it was not left to end")
	}
	if got := r.store.Tail("web", 5); len(got) == 0 || got[len(got)-1].Text != "bye" {
		t.Errorf("its last word: %v", got)
	}
	if st := r.get("web"); st.State != service.Stopped || st.Restarts != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestStopSendsTheSignalThatIsWanted(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", `trap 'echo INT > ended; exit 0' INT; trap '' TERM; touch up; while :; do sleep 0.01; done`,
		ready(service.Ready{Command: []string{"test", "-e", "up"}}), func(s *service.Spec) { s.StopSignal = int(unix.SIGINT) }))
	r.up()
	r.stop("web")
	if got := r.file("ended"); got != "INT" {
		t.Errorf("got %q", got)
	}
}

func TestStopKillsWhatIgnoresIt(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", `trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done`, grace(100*time.Millisecond)))
	r.up()
	pid := r.pid("pid")
	r.stop("web")
	if !goneSoon(pid) {
		t.Errorf("process %d survived", pid)
	}
	said := func(l logs.Line) bool {
		return l.Note && strings.Contains(l.Text, "killed: it had not ended 100ms after SIGTERM")
	}
	if tail := r.store.Tail("web", 10); !slices.ContainsFunc(tail, said) {
		t.Errorf("the log does not say that it was killed: %v", tail)
	}
}

func TestStopWakesAStoppedProgram(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", `echo $$ > pid; kill -STOP $$; sleep 1000`))
	r.up()
	pid := r.pid("pid")
	r.stop("web")
	if !goneSoon(pid) {
		t.Errorf("process %d survived", pid)
	}
}

// A grandchild that left its session and its parents gets the signal, and what
// ignores that is killed.
func TestStopLeavesNoGrandchild(t *testing.T) {
	for name, c := range map[string]struct{ trap, want string }{
		"ends well":  {`trap 'echo bye > word; exit 0' TERM`, "bye"},
		"ignores it": {`trap '' TERM`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write("child.sh", c.trap+"; echo $$ > pid; while :; do sleep 0.01; done\n")
			r.define(r.spec("web", `setsid sh -c 'setsid sh child.sh >/dev/null 2>&1 &' & exec sleep 1000`, grace(2*time.Second)))
			r.up()
			pid := r.pid("pid")
			r.stop("web")
			if !goneSoon(pid) {
				t.Errorf("process %d survived", pid)
			}
			if c.want != "" && r.file("word") != c.want {
				t.Error("it was not told to end")
			}
		})
	}
}

func TestADaemonIsFollowed(t *testing.T) {
	r := newRig(t)
	r.fake.listen("web", 80)
	r.write("child.sh", "echo $$ > pid; while ! test -e fall; do sleep 0.01; done\n")
	r.define(r.spec("web", `setsid sh child.sh >/dev/null 2>&1 & exit 0`, listens))
	r.up()
	st := r.await("web", "on its own", func(st service.Status) bool { return strings.Contains(st.Reason, "daemonized") })
	if st.State != service.Up {
		t.Errorf("got %+v", st)
	}
	pid := r.pid("pid")
	if !alive(pid) {
		t.Fatal("the daemon is dead")
	}
	r.write("fall", "")
	r.awaitState("web", service.Exited) // its main process ended with 0, and nothing is left
	r.up()
	pid = r.pid("pid")
	r.stop()
	if !goneSoon(pid) {
		t.Errorf("process %d survived", pid)
	}
}

func TestStopEndsAtItsContextButGoesOn(t *testing.T) {
	r := newRig(t)
	r.define(
		r.spec("db", `trap '' TERM; echo $$ > pid; while ! test -e go; do sleep 0.01; done`),
		r.spec("web", `trap '' TERM; while ! test -e go; do sleep 0.01; done`, needs("db")),
	)
	r.up()
	pid := r.pid("pid")
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan error, 1)
	go func() { done <- r.Stop(ctx, nil) }()
	r.awaitState("web", service.Stopping)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	r.write("go", "")
	r.awaitState("db", service.Stopped)
	r.awaitState("web", service.Stopped)
	if !goneSoon(pid) {
		t.Errorf("process %d survived", pid)
	}
}

func TestCloseKillsWhenItsTimeIsOver(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", `trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done`, grace(time.Hour)))
	r.up()
	pid := r.pid("pid")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	if alive(pid) {
		t.Error("it survived")
	}
	for name, err := range map[string]error{
		"up":     r.Up(r.ctx, nil),
		"define": r.Define(r.ctx, nil, nil),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after close: %v", name, err)
		}
	}
}

func TestCloseWhileServicesStart(t *testing.T) {
	for i := range 20 {
		t.Run(itoa(i), func(t *testing.T) {
			r := newRig(t)
			r.define(r.spec("a", forever), r.spec("b", forever, needs("a")), r.spec("c", "exit 1", needs("b")))
			done := make(chan error, 3)
			for range 3 {
				go func() { done <- r.Up(r.ctx, nil) }()
			}
			if err := r.Close(r.ctx); err != nil {
				t.Error(err)
			}
			for range 3 {
				if err := <-done; err == nil && r.fake.started("c") == 0 {
					t.Error("up says that all is well")
				}
			}
		})
	}
}

func TestOutputOfAProcessThatLeftIsNotAwaited(t *testing.T) {
	r := newRig(t)
	// The pipe of a service can be held by what is not inside: here, by this test.
	r.define(r.spec("web", "echo one; printf two; "+forever))
	r.up()
	if !within(func() bool { return len(r.store.Tail("web", 5)) == 2 }) {
		t.Fatalf("its output: %v", r.store.Tail("web", 5))
	}
	fds, err := filepath.Glob("/proc/" + itoa(r.get("web").PID) + "/fd/1")
	if err != nil || len(fds) != 1 {
		t.Fatal(fds, err)
	}
	held, err := os.OpenFile(fds[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	r.stop()
	if st := r.get("web"); st.State != service.Stopped {
		t.Errorf("got %+v", st)
	}
}

func TestBlindnessIsNotEmptiness(t *testing.T) {
	r := newRig(t)
	b := &blind{fake: r.fake}
	sup := &Supervisor{}
	sup.inside, sup.reaper = b, r.reaper
	pid, exit, err := r.reaper.Start(func() (int, error) {
		return r.inside.Start(cmdOf(r, "job", `setsid sh -c 'echo $$ > pid; exec sleep 1000' & while ! test -s pid; do :; done`))
	})
	if err != nil {
		t.Fatal(err)
	}
	child := r.pid("pid")
	x := <-exit
	b.left.Store(5)
	sup.reaper.Halt(sup.inside, "job", pid, nil, true, unix.SIGTERM, time.Minute)
	if !goneSoon(child) || x.Code != 0 {
		t.Errorf("a process that could not be seen for a while survived (%+v)", x)
	}
}
