package service

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
	"lodge/internal/watch"
)

// process is one life of a service: its main process and all that it started.
type process struct {
	pid      int
	exit     <-chan ExitStatus
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

// lifetime starts and ends the processes of a service.
type lifetime struct {
	reporter
	held    bool // the engine keeps its listening sockets open
	breaker watch.Breaker
}

// launch starts the service's main process.
func (r *lifetime) launch() (*process, *Error) {
	sp, base := r.definition()
	r.sup.mu.Lock()
	delete(r.sup.conflicts, r.name)
	r.sup.mu.Unlock()

	files := []*os.File{nil, nil, nil}
	argv := sp.Argv
	if err := r.takeLease(sp); err != nil {
		return nil, &Error{Service: r.name, Cause: err.Error()}
	}
	env, err := r.environ(sp, base)
	if err != nil {
		return nil, &Error{Service: r.name, Cause: err.Error()}
	}
	r.notePeers(sp)
	if l := r.currentLease(); l != nil && l.listener != nil {
		files = append(files, l.listener)
		env = MergeEnv(env, "LISTEN_FDS=1", "LISTEN_FDNAMES="+sp.Name)
		// LISTEN_PID must be the program's own (sd_listen_fds(3)); a shell knows
		// it before it becomes the program.
		argv = append([]string{"/bin/sh", "-c", `export LISTEN_PID=$$; exec "$@"`, sp.Name}, argv...)
	}

	if fi, err := os.Stat(sp.Dir); err != nil || !fi.IsDir() {
		return nil, &Error{Service: r.name, Cause: fmt.Sprintf("its directory %s is not there", sp.Dir), Hint: "restore the directory, or: lodge down"}
	}
	if _, err := LookPath(sp.Argv[0], sp.Dir, env); err != nil {
		hint := "install it, or correct the service's command"
		if errors.Is(err, os.ErrPermission) {
			hint = "make it executable: chmod +x FILE"
		}
		return nil, &Error{Service: r.name, Cause: err.Error(), Hint: hint}
	}
	path, err := LookPath(argv[0], sp.Dir, env)
	if err != nil {
		return nil, &Error{Service: r.name, Cause: err.Error()}
	}

	if err := makeDirs(sp); err != nil {
		return nil, &Error{Service: r.name, Cause: err.Error()}
	}
	std, err := openStdio(sp)
	if err != nil {
		return nil, &Error{Service: r.name, Cause: err.Error()}
	}
	defer std.close()
	copy(files, std.files)
	if std.terminal {
		env = terminalEnv(env)
	}

	p := &process{out: r.sup.logs.Writer(sp.Name), started: time.Now(), wasReady: sp.Ready.None}
	if p.from, err = drain.New(std.read, p.out); err != nil {
		_ = std.read.Close()
		_ = p.out.Close()
		return nil, &Error{Service: r.name, Cause: "read its output: " + err.Error()}
	}
	pid, exit, err := r.sup.reaper.Start(func() (int, error) {
		return r.sup.inside.Start(home.Command{Service: sp.Name, Path: path, Args: argv, Env: env, Dir: sp.Dir, Files: files, Terminal: std.terminal})
	})
	if err != nil {
		_ = std.read.Close()
		_ = p.out.Close()
		cause, hint := whyTooLong(err, argv, env)
		return nil, &Error{Service: r.name, Cause: cause, Hint: hint}
	}
	p.pid, p.exit = pid, exit
	p.follow()
	r.newLife()
	r.breaker.Started(p.started)
	go func() { _ = p.from.Copy() }() // the log takes all; it ends with the last writer, or at finish
	r.set(func(st *Status) {
		st.State, st.PID, st.StartedAt, st.Exit, st.Signal, st.Reason, st.ReadyMS = Starting, pid, &p.started, nil, "", "", 0
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
		grace = DefaultStopGrace
	}
	sig := unix.Signal(sp.StopSignal)
	if sig == 0 {
		sig = unix.SIGTERM
	}
	if !p.gone || len(r.pids()) > 0 {
		r.set(func(st *Status) { st.State = Stopping })
	}
	if _, killed := halt(r.sup, r.name, p.pid, p.exit, p.gone, sig, grace); killed {
		r.note(p, fmt.Sprintf("killed: it had not ended %v after %s", grace, unix.SignalName(sig)))
	}
	p.gone = true
	p.finish()
	if !r.held {
		_ = r.sup.inside.Forget(r.name) // at worst an empty cgroup, which Close removes
	}
	_ = r.sup.Recheck() // one reading for all that end at once
}

// blindMost is how often halt looks for processes, 20 ms apart, when it cannot
// see.
const blindMost = 100

// halt is shared by services and runs. It reports whether it killed what had not
// ended in time.
func halt(s *Supervisor, name string, pid int, exit <-chan ExitStatus, gone bool, sig unix.Signal, grace time.Duration) (status ExitStatus, killed bool) {
	exits, done := s.reaper.Exits()
	defer done()
	if !gone {
		// Engines that follow processes by their parents know afterwards who was
		// below it.
		_, _ = s.inside.Pids(name)
		// The process leads a session, and so a process group, of its own.
		if err := unix.Kill(-pid, sig); err != nil {
			_ = unix.Kill(pid, sig)
		}
		_ = unix.Kill(-pid, unix.SIGCONT) // a stopped process cannot end
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	told := make(map[int]bool)
	blind := 0 // looks in a row that failed
	for {
		if !gone {
			// What else is there does not matter until it has ended.
			select {
			case status = <-exit:
				gone = true
			case <-timer.C:
				killed = true
				_ = s.inside.Kill(name)
				timer.Reset(time.Second)
			}
			continue
		}
		pids, err := s.inside.Pids(name)
		if err == nil || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrClosed) {
			blind = 0
		} else {
			blind++ // such as no descriptor free just now: that is not "nobody"
		}
		if len(pids) == 0 && (blind == 0 || blind > blindMost) {
			return status, killed
		}
		if killed {
			_ = s.inside.Kill(name)
		} else {
			// What is left moved to a session of its own: it gets the signal too.
			for _, p := range pids {
				if !told[p] && p != pid {
					told[p] = true
					_ = unix.Kill(p, sig)
					_ = unix.Kill(p, unix.SIGCONT) // it may be stopped too
				}
			}
		}
		// A process whose parent is inside too is reaped by that parent, of which
		// this process hears nothing: look again after a while.
		again := time.NewTimer(20 * time.Millisecond)
		select {
		case <-exits:
		case <-again.C:
		case <-timer.C:
			killed = true
			timer.Reset(time.Second)
		}
		again.Stop()
	}
}
