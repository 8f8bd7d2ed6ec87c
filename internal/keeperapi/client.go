package keeperapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"lodge/internal/logs"
	"lodge/internal/service"
	"lodge/internal/stall"
	"lodge/internal/unixsock"
)

// Client talks to one keeper. Every call makes a connection of its own. A call
// that waits for a keeper whose process does not run, such as one that is
// stopped, ends with a *stall.Error; a keeper that is only slow is waited for.
type Client struct {
	Socket string
	// Project is what errors call the keeper's project, or "".
	Project string
	// PID is the keeper's process, where it is known before it is asked: a keeper
	// whose socket was removed is asked to make it again.
	PID int
	// Waits makes calls wait also for a keeper that does not run.
	Waits bool
	// Halted is told by a call that waits so, and by [Process.Wait], each time
	// that the keeper is found not to run; nil: nothing is told.
	Halted func(*stall.Error)
}

// ErrGone says that no keeper listens on the socket (any more).
var ErrGone = errors.New("the keeper is gone")

// ErrLost says that the keeper of a command ended when the command had begun, or
// may have, and so ended with it. Unlike with [ErrGone], another keeper would
// run it a second time.
var ErrLost = errors.New("its keeper has ended, and what it had begun with it")

func (c Client) Dial(ctx context.Context) (*Wire, error) {
	conn, err := unixsock.Dial(ctx, c.Socket)
	if unixsock.Nobody(err) {
		conn, err = c.revive(ctx)
	}
	if err != nil {
		var halted *stall.Error
		if errors.As(err, &halted) {
			return nil, halted
		}
		if e, ok := c.Peer().Look(); ok && errors.Is(err, unixsock.ErrBusy) {
			return nil, e
		}
		return nil, fmt.Errorf("reach keeper: %w", err)
	}
	return &Wire{Conn: conn}, nil
}

// Peer is the keeper as the one who is waited for.
func (c Client) Peer() stall.Peer { return c.peer(nil) }

// peer is Peer, of the process at the other end of w where that is known.
func (c Client) peer(w *Wire) stall.Peer {
	pid := c.PID
	if w != nil {
		if cred, err := unixsock.Peer(w.Conn); err == nil {
			pid = int(cred.Pid)
		}
	}
	p := stall.Peer{Role: "the keeper", Or: "end the project: lodge down", PID: func() int { return pid }}
	if c.Project != "" {
		p.Role = "the keeper of " + c.Project
	}
	return p
}

// guard makes a wait for the keeper end when its process does not run. done is
// called at the end of the wait.
func (c Client) guard(ctx context.Context, w *Wire) (guarded context.Context, done func()) {
	if c.Waits {
		return ctx, c.tell(w)
	}
	return stall.Guard(ctx, c.peer(w))
}

// tell tells Halted when the keeper does not run, until stop is called.
func (c Client) tell(w *Wire) (stop func()) {
	if c.Halted == nil {
		return func() {}
	}
	return stall.Tell(c.peer(w), c.Halted)
}

// Call sends a request and hands each reply to each, until the last one.
func (c Client) Call(ctx context.Context, req Request, each func(Reply) error) error {
	w, err := c.Dial(ctx)
	if err != nil {
		return err
	}
	defer w.Conn.Close()
	ctx, done := c.guard(ctx, w)
	defer done()
	stop := context.AfterFunc(ctx, func() { _ = w.Conn.Close() })
	defer stop()
	if err := w.Write(req); err != nil {
		return askError(ctx, err)
	}
	for {
		var r Reply
		files, err := w.Read(&r)
		CloseAll(files)
		if err != nil {
			return askError(ctx, err)
		}
		if r.Error != nil {
			return r.Error
		}
		if each != nil {
			if err := each(r); err != nil {
				return err
			}
		}
		if r.Done {
			return nil
		}
	}
}

// askError is the error of a call whose connection failed.
func askError(ctx context.Context, err error) error {
	var halted *stall.Error
	if errors.As(stall.Cause(ctx, nil), &halted) {
		return halted
	}
	return fmt.Errorf("ask keeper: %w", goneOr(ctx, err))
}

func goneOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, net.ErrClosed) {
		return ErrGone
	}
	return err
}

// Status asks for the project's state.
func (c Client) Status(ctx context.Context) (Project, error) {
	var p Project
	err := c.Call(ctx, Request{Op: "status"}, func(r Reply) error {
		if r.Project != nil {
			p = *r.Project
		}
		return nil
	})
	return p, err
}

// Watch hands the project's state to each, now and at every change, until the
// keeper ends (ErrGone) or ctx does.
func (c Client) Watch(ctx context.Context, each func(Project) error) error {
	return c.Call(ctx, Request{Op: "watch"}, func(r Reply) error {
		if r.Project != nil {
			return each(*r.Project)
		}
		return nil
	})
}

// Define reports which services there are; see supervisor.Supervisor.Define.
func (c Client) Define(ctx context.Context, specs []service.Spec, env []string) error {
	return c.DefineFrom(ctx, "", specs, env)
}

// DefineFrom is Define by a file in the directory dir, or "" for the project's
// own.
func (c Client) DefineFrom(ctx context.Context, dir string, specs []service.Spec, env []string) error {
	return c.Call(ctx, Request{Op: "define", Dir: dir, Specs: specs, Env: env}, nil)
}

// Environ returns the environment with which the services were defined last, or
// nil where none were.
func (c Client) Environ(ctx context.Context) ([]string, error) {
	var env []string
	err := c.Call(ctx, Request{Op: "environ"}, func(r Reply) error {
		if r.Env != nil {
			env = r.Env
		}
		return nil
	})
	return env, err
}

// Up starts services and what they need, and returns when all are ready.
func (c Client) Up(ctx context.Context, services []string) error {
	return c.Call(ctx, Request{Op: "up", Services: services}, nil)
}

// Restart restarts services and returns when they are ready.
func (c Client) Restart(ctx context.Context, services []string) error {
	return c.Call(ctx, Request{Op: "restart", Services: services}, nil)
}

// Stop stops services and returns when no process of theirs is left.
func (c Client) Stop(ctx context.Context, services []string) error {
	return c.Call(ctx, Request{Op: "stop", Services: services}, nil)
}

// Rest stops services that the next request for their name starts again.
func (c Client) Rest(ctx context.Context, services []string) error {
	return c.Call(ctx, Request{Op: "rest", Services: services}, nil)
}

// Down stops everything and ends the keeper. With kill nothing is given time to
// end by itself.
func (c Client) Down(ctx context.Context, kill bool) error {
	return c.Call(ctx, Request{Op: "down", Kill: kill}, nil)
}

// Logs hands lines to each: the past ones, and with follow those to come.
func (c Client) Logs(ctx context.Context, q LogQuery, follow bool, each func(logs.Line) error) error {
	return c.LogBatches(ctx, q, follow, func(ls []logs.Line) error {
		for _, l := range ls {
			if err := each(l); err != nil {
				return err
			}
		}
		return nil
	})
}

// LogBatches is Logs that hands over as many lines at once as are there.
func (c Client) LogBatches(ctx context.Context, q LogQuery, follow bool, each func([]logs.Line) error) error {
	return c.Call(ctx, Request{Op: "logs", Query: &q, Follow: follow}, func(r Reply) error {
		if len(r.Lines) > 0 {
			return each(r.Lines)
		}
		return nil
	})
}

// Process is a command that runs inside for this client.
type Process struct {
	w    *Wire
	from Client
	// PID and Name as the keeper has them.
	PID  int
	Name string
	// Terminal is the master side of the command's terminal, or nil.
	Terminal *os.File
}

// Exec starts a command inside; files are as Exec says.
func (c Client) Exec(ctx context.Context, x Exec, env []string, files ...*os.File) (*Process, error) {
	w, err := c.Dial(ctx)
	if err != nil {
		return nil, err
	}
	guarded, done := c.guard(ctx, w)
	stop := context.AfterFunc(guarded, func() { _ = w.Conn.Close() })
	defer func() {
		stop()
		done()
	}()
	var r Reply
	var got []*os.File
	x.Announce = true
	if err = w.Write(Request{Op: "exec", Exec: &x, Env: env}, files...); err == nil {
		got, err = w.Read(&r)
	}
	begun := err == nil && r.Begins
	if begun {
		CloseAll(got)
		r = Reply{}
		got, err = w.Read(&r)
	}
	if err == nil && r.Done && r.Error == nil && r.PID == 0 {
		begun, err = false, ErrGone
	}
	if err != nil {
		_ = w.Conn.Close()
		if err = askError(guarded, err); begun && errors.Is(err, ErrGone) {
			err = ErrLost
		}
		return nil, err
	}
	if r.Error != nil {
		CloseAll(got)
		_ = w.Conn.Close()
		return nil, r.Error
	}
	p := &Process{w: w, from: c, PID: r.PID, Name: r.Name}
	if len(got) > 0 {
		p.Terminal = got[0]
		CloseAll(got[1:])
	}
	return p, nil
}

// Signal sends a signal to the command's process group.
func (p *Process) Signal(sig unix.Signal) error { return p.w.Write(Signal{Signal: int(sig)}) }

// Wait waits for the command's end.
func (p *Process) Wait() (service.ExitStatus, error) {
	defer p.w.Conn.Close()
	defer p.from.tell(p.w)()
	for {
		var r Reply
		files, err := p.w.Read(&r)
		CloseAll(files)
		if err != nil {
			if err = goneOr(context.Background(), err); errors.Is(err, ErrGone) {
				err = ErrLost
			}
			return service.ExitStatus{}, fmt.Errorf("wait for %s: %w", p.Name, err)
		}
		if r.Error != nil {
			return service.ExitStatus{}, r.Error
		}
		if r.Exit != nil {
			return *r.Exit, nil
		}
	}
}
