package keeper

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"lodge/internal/drain"
	"lodge/internal/home"
	"lodge/internal/keeperapi"
	"lodge/internal/logs"
	"lodge/internal/service"
	"lodge/internal/service/supervisor"
)

// executor runs commands inside for clients.
type executor struct {
	sup   *supervisor.Supervisor
	store *logs.Store
	hosts *hostsFile
	quit  <-chan struct{} // closed when everything is being stopped
}

// exec runs one command inside for a client that waits for it. The client's
// own descriptors are the command's, or a new terminal whose other end the
// client gets; a listed command's output also goes to its log.
func (e *executor) exec(w *keeperapi.Wire, req keeperapi.Request, files []*os.File) {
	defer keeperapi.CloseAll(files)
	switch err := e.run(w, req, files); {
	case err == nil:
	case !errors.Is(err, supervisor.ErrClosed):
		_ = w.Write(keeperapi.Reply{Error: keeperapi.WireError(err)})
	case req.Exec.Announce: // the next keeper may do it
		_ = w.Write(keeperapi.Reply{Done: true})
	}
}

func (e *executor) run(w *keeperapi.Wire, req keeperapi.Request, files []*os.File) error {
	x := req.Exec
	if x == nil || len(x.Argv) == 0 {
		return errors.New("run command: none given")
	}
	env, err := e.env(x, req.Env)
	if err != nil {
		return err
	}
	if fi, err := os.Stat(x.Dir); err != nil || !fi.IsDir() {
		return &keeperapi.Error{Message: fmt.Sprintf("run %s: the directory %s is not there", x.Argv[0], x.Dir), Hint: "cd to one that is"}
	}
	path, err := service.LookPath(x.Argv[0], x.Dir, env)
	if err != nil {
		return &keeperapi.Error{Message: fmt.Sprintf("run %s: %v", x.Argv[0], err), Hint: "check the spelling, or give the path of the program", Status: service.ExecStatus(err)}
	}
	cmd := home.Command{Path: path, Args: x.Argv, Env: env, Dir: x.Dir}
	if cmd.Hosts, err = e.hosts.with(x.Hosts); err != nil {
		return err
	}
	var t tee
	var share []*os.File // for the client
	switch {
	case x.Terminal:
		master, slave, err := pty.Open()
		if err != nil {
			return fmt.Errorf("open terminal: %w", err)
		}
		defer slave.Close()
		defer master.Close()
		if x.Rows > 0 {
			_ = pty.Setsize(master, &pty.Winsize{Rows: x.Rows, Cols: x.Cols})
		}
		cmd.Files, cmd.Terminal = []*os.File{slave, slave, slave}, true
		share = []*os.File{master}
		if x.Listed {
			if len(files) != 1 {
				return errors.New("run command: its output is missing")
			}
			t.add(master, files[0])
		}
	case len(files) != 3:
		return errors.New("run command: its input and output are missing")
	case x.Listed:
		cmd.Files = []*os.File{files[0], nil, nil}
		for i := 1; i <= 2; i++ {
			r, wr, err := os.Pipe()
			if err != nil {
				return fmt.Errorf("open pipe: %w", err)
			}
			defer r.Close()
			defer wr.Close()
			cmd.Files[i] = wr
			t.add(r, files[i])
		}
	default:
		cmd.Files = files
	}
	if x.Announce {
		if err := w.Write(keeperapi.Reply{Begins: true}); err != nil {
			return err
		}
	}
	run, err := e.sup.Start(cmd, x.Name, x.Listed, x.Command)
	if notExecuted(err) {
		return &keeperapi.Error{Message: err.Error(), Status: service.ExecStatus(err)}
	}
	if err != nil {
		return err
	}
	for _, f := range cmd.Files[1:] {
		if x.Listed || x.Terminal {
			_ = f.Close() // the command has them; without this copy their end can be seen
		}
	}
	defer func() { go t.finish() }() // on every other way out: there is no client to wait for
	if err := t.start(e.store, run.Name()); err != nil {
		_ = e.abandon(run)
		return err
	}
	if err := w.Write(keeperapi.Reply{PID: run.PID(), Name: run.Name()}, share...); err != nil {
		return e.abandon(run)
	}
	lost := w.Listen(func(s keeperapi.Signal) {
		if s.Signal > 0 && s.Signal < 65 {
			_ = run.Signal(unix.Signal(s.Signal)) // it may have ended just now
		}
	}, func() {})
	defer func() {
		_ = w.Conn.Close()
		<-lost
	}()
	select {
	case <-run.Done():
	case <-lost:
		return e.abandon(run)
	case <-e.quit:
		// Everything is being stopped: the end of this command comes too.
		<-run.Done()
	}
	t.finish()
	res := run.Result()
	return w.Write(keeperapi.Reply{Exit: &res, Done: true})
}

// env returns the environment of a command, and sets its directory where it
// is run as a service.
func (e *executor) env(x *keeperapi.Exec, base []string) (env []string, err error) {
	if x.As == "" {
		return e.sup.ExecEnv(base, x.Env, x.KeyLog)
	}
	env, x.Dir, err = e.sup.ExecAs(x.As, x.Spec, base, x.KeyLog)
	return env, err
}

// notExecuted reports whether a start failed because the program could not be
// executed (execve(2)), and not for want of something else.
func notExecuted(err error) bool {
	for _, errno := range []unix.Errno{unix.ENOENT, unix.ENOEXEC, unix.EACCES, unix.EPERM, unix.ENOTDIR, unix.ELIBBAD, unix.ETXTBSY, unix.EISDIR, unix.ELOOP} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// abandon ends a command whose client has gone, as a terminal that hangs up
// does.
func (e *executor) abandon(run *supervisor.Run) error {
	_ = run.Signal(unix.SIGHUP)
	t := time.NewTimer(2 * time.Second)
	defer t.Stop()
	select {
	case <-run.Done():
		return nil
	case <-t.C:
	case <-e.quit:
	}
	return run.Signal(unix.SIGKILL)
}

// tee copies a listed command's output to its client and to its log.
type tee struct {
	from, to []*os.File
	sources  []*drain.Source
	logs     []*logs.Writer
}

func (t *tee) add(from, to *os.File) {
	t.from = append(t.from, from)
	t.to = append(t.to, to)
}

func (t *tee) start(store *logs.Store, name string) error {
	for i, from := range t.from {
		lw := store.Writer(name)
		s, err := drain.New(from, io.MultiWriter(t.to[i], logOnly{lw}))
		if err != nil {
			_ = lw.Close()
			return fmt.Errorf("read its output: %w", err)
		}
		t.sources, t.logs = append(t.sources, s), append(t.logs, lw)
		go func() {
			if err := s.Copy(); errors.Is(err, unix.EPIPE) {
				// No client reads any more: the command learns it at its next write.
				_ = from.Close()
			}
		}()
	}
	return nil
}

// logOnly never fails: a full disk must not stop what the person sees.
type logOnly struct{ w io.Writer }

func (l logOnly) Write(p []byte) (int, error) {
	_, _ = l.w.Write(p) // logs.Store keeps its error and tells it
	return len(p), nil
}

// finish waits until the client has the rest of the output. Children that the
// command left behind may hold its pipes open, so it does not wait long for
// them.
func (t *tee) finish() {
	for i, s := range t.sources {
		s.Finish()
		_ = t.logs[i].Close()
	}
	t.sources, t.logs = nil, nil
}
