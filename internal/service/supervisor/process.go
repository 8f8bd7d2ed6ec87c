package supervisor

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/drain"
	"lodge/internal/home"
	"lodge/internal/limits"
	"lodge/internal/logs"
	"lodge/internal/service"
	"lodge/internal/service/launch"
	"lodge/internal/watch"
)

// process is one life of a service: its main process and all that it started.
type process struct {
	pid      int
	exit     <-chan service.ExitStatus
	started  time.Time
	watched  time.Time // when the wait for its readiness began
	wasReady bool
	gone     bool // the main process has ended
	life     *limits.Life
	look     *time.Timer // looks at life again

	out  *logs.Writer
	from *drain.Source
	read sync.WaitGroup // what else goes on with it
}

// flush makes all that was printed visible, also an unfinished last line.
func (p *process) flush() {
	p.from.Drain()
	p.out.Flush()
}

// finish ends the reading of output, once no process can write any more.
func (p *process) finish() {
	p.unfollow()
	p.read.Wait()
	p.from.Finish()
	_ = p.out.Close()
}

// movedAfter is when it is looked whether a process has moved to cgroups of its
// own, after its start: a script that moves itself does so at once. It is looked
// again when the service is ready.
const movedAfter = 250 * time.Millisecond

// follow notes what the kernel counts of a process's limits.
func (p *process) follow() {
	p.life = limits.Begin(p.pid)
	p.read.Add(1)
	p.look = time.AfterFunc(movedAfter, func() {
		defer p.read.Done()
		p.life.Again()
	})
}

// unfollow ends follow; it may be called once.
func (p *process) unfollow() {
	if p.look.Stop() {
		p.read.Done()
	}
}

// lifetime starts and ends the processes of a service.
type lifetime struct {
	reporter
	held    bool // the engine keeps its listening sockets open
	breaker watch.Breaker
}

// launch starts the service's main process.
func (r *lifetime) launch() (*process, *service.Error) {
	sp, base := r.definition()
	r.sup.mu.Lock()
	delete(r.sup.conflicts, r.name)
	r.sup.mu.Unlock()

	files := []*os.File{nil, nil, nil}
	argv := sp.Argv
	if err := r.takeLease(sp); err != nil {
		return nil, &service.Error{Service: r.name, Cause: err.Error()}
	}
	env, err := r.environ(sp, base)
	if err != nil {
		return nil, &service.Error{Service: r.name, Cause: err.Error()}
	}
	r.notePeers(sp)
	if l := r.currentLease(); l != nil && l.Listener != nil {
		files = append(files, l.Listener)
		env = service.MergeEnv(env, "LISTEN_FDS=1", "LISTEN_FDNAMES="+sp.Name)
		// LISTEN_PID must be the program's own (sd_listen_fds(3)); a shell knows
		// it before it becomes the program.
		argv = append([]string{"/bin/sh", "-c", `export LISTEN_PID=$$; exec "$@"`, sp.Name}, argv...)
	}

	if fi, err := os.Stat(sp.Dir); err != nil || !fi.IsDir() {
		return nil, &service.Error{Service: r.name, Cause: fmt.Sprintf("its directory %s is not there", sp.Dir), Hint: "restore the directory, or: lodge down"}
	}
	if _, err := service.LookPath(sp.Argv[0], sp.Dir, env); err != nil {
		hint := "install it, or correct the service's command"
		if errors.Is(err, os.ErrPermission) {
			hint = "make it executable: chmod +x FILE"
		}
		return nil, &service.Error{Service: r.name, Cause: err.Error(), Hint: hint}
	}
	path, err := service.LookPath(argv[0], sp.Dir, env)
	if err != nil {
		return nil, &service.Error{Service: r.name, Cause: err.Error()}
	}

	if err := launch.MakeDirs(sp.MakeDirs); err != nil {
		return nil, &service.Error{Service: r.name, Cause: err.Error()}
	}
	std, err := launch.OpenStdio(sp.TTY)
	if err != nil {
		return nil, &service.Error{Service: r.name, Cause: err.Error()}
	}
	defer std.Close()
	copy(files, std.Files)
	if std.Terminal {
		env = launch.TerminalEnv(env)
	}

	p := &process{out: r.sup.logs.Writer(sp.Name), started: time.Now().UTC(), wasReady: sp.Ready.None}
	if p.from, err = drain.New(std.Read, p.out); err != nil {
		_ = std.Read.Close()
		_ = p.out.Close()
		return nil, &service.Error{Service: r.name, Cause: "read its output: " + err.Error()}
	}
	pid, exit, err := r.sup.reaper.Start(func() (int, error) {
		return r.sup.inside.Start(home.Command{Service: sp.Name, Path: path, Args: argv, Env: env, Dir: sp.Dir, Files: files, Terminal: std.Terminal})
	})
	if err != nil {
		_ = std.Read.Close()
		_ = p.out.Close()
		cause, hint := launch.WhyTooLong(err, argv, env)
		return nil, &service.Error{Service: r.name, Cause: cause, Hint: hint}
	}
	p.pid, p.exit = pid, exit
	p.follow()
	r.newLife()
	r.breaker.Started(p.started)
	go func() { _ = p.from.Copy() }() // the log takes all; it ends with the last writer, or at finish
	r.set(func(st *service.Status) {
		st.State, st.PID, st.StartedAt, st.Exit, st.Signal, st.Reason, st.ReadyMS = service.Starting, pid, &p.started, nil, "", "", 0
		if st.Failing != "" {
			r.lapseReason = "it " + st.Failing + ", and is started again"
			st.Reason = r.lapseReason
		}
	})
	return p, nil
}

// halt ends every process of the service: its stop signal, a grace time, then
// the whole cgroup or tree. It returns when none is left.
func (r *lifetime) halt(p *process) {
	sp, _ := r.definition()
	grace := sp.StopGrace
	if grace <= 0 {
		grace = service.DefaultStopGrace
	}
	sig := unix.Signal(sp.StopSignal)
	if sig == 0 {
		sig = unix.SIGTERM
	}
	if !p.gone || len(r.pids()) > 0 {
		r.set(func(st *service.Status) { st.State = service.Stopping })
	}
	if _, killed := r.sup.reaper.Halt(r.sup.inside, r.name, p.pid, p.exit, p.gone, sig, grace); killed {
		r.note(p, fmt.Sprintf("killed: it had not ended %v after %s", grace, unix.SignalName(sig)))
	}
	p.gone = true
	p.finish()
	if !r.held {
		_ = r.sup.inside.Forget(r.name) // at worst an empty cgroup, which Close removes
	}
	_ = r.sup.Recheck() // one reading for all that end at once
}

// heldMost is how long connections wait for a service that was restarted to
// listen. A client that waits longer does not know whether anything will ever answer.
const heldMost = 5 * time.Second

// exchange ends the old process for a new one, keeping its listening sockets
// open where the engine can.
func (r *lifetime) exchange(p *process, why string) {
	r.note(p, "restarted: "+why)
	if !r.leased() {
		n, err := r.sup.inside.Hold(r.name)
		r.held = r.held || n > 0 // what an earlier restart kept may still wait to be taken
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			r.note(p, "connections may be refused for a moment: "+err.Error())
		}
	}
	r.halt(p)
	r.set(func(st *service.Status) {
		st.State, st.PID, st.Reason, st.Failing = service.Starting, 0, why, ""
		st.Restarts++
	})
}

// heldFor returns the end of the time for which listening sockets are kept; nil
// where none are.
func (r *lifetime) heldFor() <-chan time.Time {
	if !r.held {
		return nil
	}
	return time.After(heldMost)
}

func (r *lifetime) unhold() {
	if r.held {
		r.sup.inside.Unhold(r.name)
		r.held = false
	}
}

// letGo is unhold where nothing will accept what waits.
func (r *lifetime) letGo() {
	if r.held {
		r.sup.inside.LetGo(r.name)
		r.held = false
	}
}
