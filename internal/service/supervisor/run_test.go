package supervisor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/service"
)

func itoa(n int) string { return strconv.Itoa(n) }

func cmdOf(r *rig, name, script string) home.Command {
	path, err := service.LookPath("sh", r.dir, r.env)
	if err != nil {
		r.t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { null.Close() })
	return home.Command{Service: name, Path: path, Args: []string{"sh", "-c", script}, Env: r.env, Dir: r.dir, Files: []*os.File{null, null, null}}
}

// blind is a home that cannot list processes some times.
type blind struct {
	*fake
	left atomic.Int32
}

func (b *blind) Pids(service string) ([]int, error) {
	if b.left.Add(-1) >= 0 {
		return nil, fmt.Errorf("list: %w", unix.EMFILE)
	}
	return b.fake.Pids(service)
}

func (r *rig) run(name string, listed bool, script string) *Run {
	r.t.Helper()
	run, err := r.Start(cmdOf(r, "", script), name, listed, script)
	if err != nil {
		r.t.Fatal(err)
	}
	return run
}

func TestARunIsListedAndEnds(t *testing.T) {
	r := newRig(t)
	run := r.run("job", true, "while ! test -e go; do sleep 0.01; done; exit 7")
	second := r.run("job", true, forever)
	if run.Name() != "job" || second.Name() != "job-2" {
		t.Errorf("names: %s, %s", run.Name(), second.Name())
	}
	st := r.get("job")
	if st.Kind != service.KindRun || st.State != service.Up || st.PID != run.PID() || st.StartedAt == nil || r.Idle() {
		t.Errorf("got %+v", st)
	}
	r.write("go", "")
	<-run.Done()
	if x := run.Result(); x.Code != 7 || x.PID != run.PID() {
		t.Errorf("got %+v", x)
	}
	r.stop("job-2") // a run is stopped by its name
	<-second.Done()
	if x := second.Result(); x.Signal != unix.SIGTERM || x.Code != 143 {
		t.Errorf("got %+v", x)
	}
	if !within(r.Idle) || len(r.Status()) != 0 {
		t.Errorf("left: %v", r.Status())
	}
}

func TestAnExecShowsOnlyWhatItLeaves(t *testing.T) {
	r := newRig(t)
	run := r.run("sh", false, `setsid sh -c 'echo $$ > pid; exec sleep 1000' & while ! test -e go; do sleep 0.01; done`)
	if got := r.Status(); len(got) != 0 {
		t.Errorf("listed: %v", got)
	}
	r.write("go", "")
	<-run.Done()
	st := r.await("sh", "shown", func(st service.Status) bool { return st.PID != 0 && st.Exit != nil })
	if pid := r.pid("pid"); st.PID != pid || *st.Exit != 0 {
		t.Errorf("got %+v, process %d", st, pid)
	}
	r.stop()
	if len(r.Status()) != 0 {
		t.Errorf("left: %v", r.Status())
	}
}

func TestARunThatCannotStart(t *testing.T) {
	r := newRig(t)
	cmd := cmdOf(r, "", "")
	cmd.Path = "/nowhere/prog"
	if _, err := r.Start(cmd, "prog", true, "prog"); err == nil || !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "run prog: ") {
		t.Errorf("got %v", err)
	}
	if !r.Idle() || len(r.Status()) != 0 {
		t.Error("something is left")
	}
}

// Stop may come while the start is under way: it must wait for the process id,
// for a signal to process 0 would be one to this process's own group.
func TestStopWhileARunStarts(t *testing.T) {
	for _, c := range []struct {
		name string
		fail error
	}{{"that succeeds", nil}, {"that fails", errors.New("no")}} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.fake.blocked, r.fake.failing = make(chan struct{}), c.fail
			started := make(chan error, 1)
			cmd := cmdOf(r, "", forever)
			go func() {
				_, err := r.Start(cmd, "job", true, "")
				started <- err
			}()
			if !within(func() bool { return r.fake.started("job") == 1 }) {
				t.Fatal("it does not start")
			}
			stopped := make(chan error, 1)
			go func() { stopped <- r.Stop(r.ctx, nil) }()
			close(r.fake.blocked)
			if err := <-started; (err == nil) != (c.fail == nil) {
				t.Errorf("start: %v", err)
			}
			if err := <-stopped; err != nil {
				t.Errorf("stop: %v", err)
			}
			if !r.Idle() {
				t.Errorf("left: %v", r.Status())
			}
		})
	}
}

func TestRunsOfOneNameAtOnce(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	cmd := cmdOf(r, "", "exit 5")
	for range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 20 {
				run, err := r.Start(cmd, "true", false, "")
				if err != nil {
					t.Error(err)
					return
				}
				<-run.Done()
				if run.Result().Code != 5 {
					t.Errorf("got %+v", run.Result())
				}
			}
		}()
	}
	wg.Wait()
	if !within(r.Idle) {
		t.Errorf("left: %v", r.Status())
	}
}

func TestASignalForARun(t *testing.T) {
	r := newRig(t)
	run := r.run("job", true, "trap 'exit 9' USR1; touch up; while :; do sleep 0.01; done")
	if !within(func() bool { _, err := os.Stat(r.dir + "/up"); return err == nil }) {
		t.Fatal("it does not start")
	}
	if err := run.Signal(unix.SIGUSR1); err != nil {
		t.Error(err)
	}
	<-run.Done()
	if run.Result().Code != 9 {
		t.Errorf("got %+v", run.Result())
	}
	if err := run.Signal(unix.SIGUSR1); err != nil {
		t.Errorf("to one that has ended: %v", err)
	}
}

func TestAServiceDoesNotTakeARunsName(t *testing.T) {
	r := newRig(t)
	r.run("web", true, forever)
	fails(t, r.Define(r.ctx, []service.Spec{r.spec("web", forever)}, r.env), "web", "a command that runs has its name")
	r.stop("web")
	if !within(r.Idle) {
		t.Fatal("it goes on")
	}
	r.define(r.spec("web", forever))
	if run := r.run("web", true, forever); run.Name() != "web-2" {
		t.Errorf("name: %s", run.Name())
	}
}

func TestOthersAreWhatExecsListenOn(t *testing.T) {
	r := newRig(t)
	r.fake.listen("sh", 9000)
	r.run("sh", false, forever)
	if err := r.Refresh(); err != nil {
		t.Fatal(err)
	}
	if got := r.Others(); len(got) != 1 || got[0].Port != 9000 {
		t.Errorf("got %v", got)
	}
}
