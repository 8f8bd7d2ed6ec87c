package keeper

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
	"lodge/internal/unixsock"
)

// Client talks to one keeper. Every call makes a connection of its own.
type Client struct {
	Socket string
	// PID is the keeper's process, where it is known: a keeper whose socket was
	// removed is asked to make it again.
	PID int
}

// ErrGone says that no keeper listens on the socket (any more).
var ErrGone = errors.New("the keeper is gone")

func (c Client) dial(ctx context.Context) (*wire, error) {
	conn, err := unixsock.Dial(ctx, c.Socket)
	if nobody(err) {
		conn, err = c.revive(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("reach keeper: %w", err)
	}
	return &wire{conn: conn}, nil
}

// call sends a request and hands each reply to each, until the last one.
func (c Client) call(ctx context.Context, req Request, each func(Reply) error) error {
	w, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer w.conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = w.conn.Close() })
	defer stop()
	if err := w.write(req); err != nil {
		return fmt.Errorf("ask keeper: %w", goneOr(ctx, err))
	}
	for {
		var r Reply
		files, err := w.read(&r)
		closeAll(files)
		if err != nil {
			return fmt.Errorf("ask keeper: %w", goneOr(ctx, err))
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
	err := c.call(ctx, Request{Op: "status"}, func(r Reply) error {
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
	return c.call(ctx, Request{Op: "watch"}, func(r Reply) error {
		if r.Project != nil {
			return each(*r.Project)
		}
		return nil
	})
}

// Define says which services there are; see service.Supervisor.Define.
func (c Client) Define(ctx context.Context, specs []service.Spec, env []string) error {
	return c.DefineFrom(ctx, "", specs, env)
}

// DefineFrom is Define by a file in the directory dir, or "" for the project's
// own.
func (c Client) DefineFrom(ctx context.Context, dir string, specs []service.Spec, env []string) error {
	return c.call(ctx, Request{Op: "define", Dir: dir, Specs: specs, Env: env}, nil)
}

// Up starts services and what they need, and returns when all are ready.
func (c Client) Up(ctx context.Context, services []string) error {
	return c.call(ctx, Request{Op: "up", Services: services}, nil)
}

// Restart restarts services and returns when they are ready.
func (c Client) Restart(ctx context.Context, services []string) error {
	return c.call(ctx, Request{Op: "restart", Services: services}, nil)
}

// Stop stops services and returns when no process of theirs is left.
func (c Client) Stop(ctx context.Context, services []string) error {
	return c.call(ctx, Request{Op: "stop", Services: services}, nil)
}

// Rest stops services that the next request for their name starts again.
func (c Client) Rest(ctx context.Context, services []string) error {
	return c.call(ctx, Request{Op: "rest", Services: services}, nil)
}

// Down stops everything and ends the keeper.
func (c Client) Down(ctx context.Context) error {
	return c.call(ctx, Request{Op: "down"}, nil)
}

// Logs hands lines to each: the past ones, and with follow those to come.
func (c Client) Logs(ctx context.Context, q LogQuery, follow bool, each func(logs.Line) error) error {
	return c.call(ctx, Request{Op: "logs", Query: &q, Follow: follow}, func(r Reply) error {
		if r.Line != nil {
			return each(*r.Line)
		}
		return nil
	})
}

// Process is a command that runs inside for this client.
type Process struct {
	w *wire
	// PID and Name as the keeper has them.
	PID  int
	Name string
	// Terminal is the master side of the command's terminal, or nil.
	Terminal *os.File
}

// Exec starts a command inside; files are as Exec says.
func (c Client) Exec(ctx context.Context, x Exec, env []string, files ...*os.File) (*Process, error) {
	w, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	var r Reply
	var got []*os.File
	if err = w.write(Request{Op: "exec", Exec: &x, Env: env}, files...); err == nil {
		got, err = w.read(&r)
	}
	if err != nil {
		_ = w.conn.Close()
		return nil, fmt.Errorf("ask keeper: %w", goneOr(ctx, err))
	}
	if r.Error != nil {
		closeAll(got)
		_ = w.conn.Close()
		return nil, r.Error
	}
	p := &Process{w: w, PID: r.PID, Name: r.Name}
	if len(got) > 0 {
		p.Terminal = got[0]
		closeAll(got[1:])
	}
	return p, nil
}

// Signal sends a signal to the command's process group.
func (p *Process) Signal(sig unix.Signal) error { return p.w.write(Signal{Signal: int(sig)}) }

// Wait waits for the command's end.
func (p *Process) Wait() (service.ExitStatus, error) {
	defer p.w.conn.Close()
	for {
		var r Reply
		files, err := p.w.read(&r)
		closeAll(files)
		if err != nil {
			return service.ExitStatus{}, fmt.Errorf("wait for %s: %w", p.Name, goneOr(context.Background(), err))
		}
		if r.Error != nil {
			return service.ExitStatus{}, r.Error
		}
		if r.Exit != nil {
			return *r.Exit, nil
		}
	}
}
