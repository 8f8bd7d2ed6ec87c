package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/logs"
	"lodge/internal/service/supervisor"
	"lodge/internal/unixsock"
)

func (k *keeper) accept(ln *unixsock.Owned) {
	for {
		c, err := ln.AcceptUnix()
		if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
			time.Sleep(50 * time.Millisecond) // descriptors come back by themselves, not as an event
			continue
		}
		if err != nil {
			return // closed
		}
		if !unixsock.SameUser(c) {
			_ = c.Close()
			continue
		}
		k.mu.Lock()
		late := k.hungUp
		if !late {
			k.conns[c] = struct{}{}
		}
		k.mu.Unlock()
		if late {
			_ = c.Close()
			continue
		}
		k.wg.Add(1)
		go func() {
			defer k.wg.Done()
			k.handle(c)
			k.mu.Lock()
			delete(k.conns, c)
			k.mu.Unlock()
		}()
	}
}

// starts reports whether an operation may start or end something, so that the
// keeper must not end meanwhile.
func starts(op string) bool {
	switch op {
	case "up", "restart", "exec", "define", "stop", "rest":
		return true
	}
	return false
}

// begin notes a request. It refuses one that comes when the end is decided:
// the client sees the connection end, and asks the next keeper. What only
// reads is answered to the last.
func (k *keeper) begin(op string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if op == "down" {
		k.ending = true
	}
	if !starts(op) {
		return op != "status" || !k.ending
	}
	if k.ending {
		return false
	}
	k.busy++
	k.served = op != "define" // what was defined is about to be started, by another request
	return true
}

func (k *keeper) finish(op string) {
	if !starts(op) {
		return
	}
	k.mu.Lock()
	k.busy--
	k.mu.Unlock()
	_ = k.sup.Refresh() // also wakes the watch for idleness
}

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
	if !k.begin(req.Op) {
		keeperapi.CloseAll(files)
		return
	}
	defer k.finish(req.Op)
	if req.Op == "exec" {
		k.exec(w, req, files)
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
		k.stop()
	}
	_ = c.Close()
	<-gone
}

func (k *keeper) answer(ctx context.Context, w *keeperapi.Wire, req keeperapi.Request) error {
	switch req.Op {
	case "status":
		_ = k.sup.Recheck() // what is told is what listens now; an error leaves what was read last
		p := k.project()
		return w.Write(keeperapi.Reply{Project: &p})
	case "watch":
		return k.watch(ctx, w)
	case keeperapi.OpEvents:
		return k.events(ctx, w, req)
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
			k.stopHard()
			return nil
		}
		return k.sup.Stop(ctx, nil)
	case "logs":
		return k.logs(ctx, w, req)
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

// project is the state as it is told to others.
func (k *keeper) project() keeperapi.Project {
	k.telling.Lock()
	defer k.telling.Unlock()
	k.told++
	p := keeperapi.Project{
		Seq: k.told, ID: k.cfg.ID, Name: k.cfg.Name, Dir: k.cfg.Dir, Home: k.cfg.Home,
		Engine: k.cfg.Engine, EngineReason: k.cfg.EngineReason,
		PID: os.Getpid(), Version: k.cfg.Version, Services: k.sup.Status(),
		Others: k.sup.Others(),
	}
	k.mu.Lock()
	p.LogError = k.logError
	k.mu.Unlock()
	k.place.look(&p)
	return p
}

// watch tells the state at every change, at most every 20 ms.
func (k *keeper) watch(ctx context.Context, w *keeperapi.Wire) error {
	for {
		ch := k.sup.Changed()
		p := k.project()
		if err := w.Write(keeperapi.Reply{Project: &p}); err != nil {
			return err
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return ctx.Err()
		}
		quiet := time.NewTimer(20 * time.Millisecond)
		select {
		case <-quiet.C:
		case <-ctx.Done():
			quiet.Stop()
			return ctx.Err()
		}
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
