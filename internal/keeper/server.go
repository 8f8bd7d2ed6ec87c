package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/logs"
	"lodge/internal/service/supervisor"
)

// handle answers one connection.
func (k *keeper) handle(c *net.UnixConn) {
	w := &keeperapi.Wire{Conn: c}
	defer w.Close()
	var req keeperapi.Request
	files, err := w.Read(&req)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			_ = w.Write(keeperapi.Reply{Error: keeperapi.WireError(err)}) // the client may be gone
		}
		return
	}
	if !k.life.begin(req.Op) {
		keeperapi.CloseAll(files)
		return
	}
	defer func() {
		if k.life.finish(req.Op) {
			_ = k.sup.Refresh() // also wakes the watch for idleness
		}
	}()
	if req.Op == "exec" {
		k.executor.exec(w, req, files)
		return
	}
	keeperapi.CloseAll(files)
	// A client that goes away ends what it asked for.
	ctx, cancel := context.WithCancel(context.Background())
	gone := w.Listen(func(keeperapi.Signal) {}, cancel)
	err = k.answer(ctx, w, req)
	if !errors.Is(err, context.Canceled) && !errors.Is(err, supervisor.ErrClosed) {
		last := keeperapi.Reply{Done: true}
		if err != nil {
			last.Error = keeperapi.WireError(err)
		}
		_ = w.Write(last) // the client may be gone
	} // else it is gone, or this keeper ends: the end of the connection says so
	if req.Op == "down" {
		k.life.stop()
	}
	_ = c.Close()
	<-gone
}

func (k *keeper) answer(ctx context.Context, w *keeperapi.Wire, req keeperapi.Request) error {
	switch req.Op {
	case "status":
		_ = k.sup.Recheck() // what is told is what listens now; an error leaves what was read last
		p := k.teller.project()
		return w.Write(keeperapi.Reply{Project: &p})
	case "watch":
		return k.teller.watch(ctx, w)
	case keeperapi.OpEvents:
		return k.teller.events(ctx, w, req)
	case "define":
		if err := k.sup.Define(ctx, req.Specs, req.Env); err != nil {
			return err
		}
		k.mu.Lock()
		k.defined, k.environ = req.Dir, req.Env
		k.mu.Unlock()
		return nil
	case "environ":
		k.mu.Lock()
		env := k.environ
		k.mu.Unlock()
		return w.Write(keeperapi.Reply{Env: env})
	case "up":
		return k.sup.Up(ctx, req.Services)
	case "restart":
		if err := k.sup.Restart(ctx, req.Services); err != nil {
			return err
		}
		k.settle(req.Services)
		return nil
	case "stop":
		return k.sup.Stop(ctx, req.Services)
	case "rest":
		return k.sup.Rest(ctx, req.Services)
	case "down":
		if req.Kill {
			k.life.stopHard()
			return nil
		}
		return k.sup.Stop(ctx, nil)
	case "logs":
		return k.logs(ctx, w, req)
	case keeperapi.OpTap:
		return k.tap(w)
	}
	return fmt.Errorf("ask keeper: it does not know %q (version %s)", req.Op, k.cfg.Version)
}

// settle notes that all services run in the directory from which they were
// defined: it may be another than the one in which the project was started.
func (k *keeper) settle(services []string) {
	k.mu.Lock()
	dir := k.defined
	k.mu.Unlock()
	if dir != "" && len(services) == 0 {
		k.place.move(dir)
	}
}

func (k *keeper) logs(ctx context.Context, w *keeperapi.Wire, req keeperapi.Request) error {
	q := logs.Query{}
	if req.Query != nil {
		q = logs.Query{Services: req.Query.Services, Since: req.Query.Since, Tail: req.Query.Tail}
	}
	emit := func(ls []logs.Line) error { return w.Write(keeperapi.Reply{Lines: ls}) }
	if !req.Follow {
		return keeperapi.ReadLogs(k.cfg.LogDir, q, func(l logs.Line) error { return emit([]logs.Line{l}) })
	}
	return followLogs(ctx, k.store, q, emit)
}

// tap hands the client one end of a pair of sockets, on which the home's engine tells what
// connections carry. That is all that the client needs: the tap ends with it.
func (k *keeper) tap(w *keeperapi.Wire) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("tap: make socket pair: %w", err)
	}
	theirs, ours := os.NewFile(uintptr(pair[0]), "tap"), os.NewFile(uintptr(pair[1]), "tap")
	defer func() { _ = theirs.Close() }() // the client has a duplicate
	conn, err := net.FileConn(ours)
	_ = ours.Close() // conn has a duplicate
	if err != nil {
		return fmt.Errorf("tap: %w", err)
	}
	out, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.Join(errors.New("tap: no Unix socket"), conn.Close())
	}
	if err := k.inside.Tap(out); err != nil {
		hint := "end another lodge tap"
		if errors.Is(err, errors.ErrUnsupported) {
			hint = "lodge up --engine seccomp"
		}
		return &keeperapi.Error{Message: err.Error(), Hint: hint}
	}
	return w.Write(keeperapi.Reply{Feed: true}, theirs)
}
