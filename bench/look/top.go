package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"lodge/bench/internal/scratch"
)

// top measures what `lodge top` costs that is looked at and not touched, on a
// terminal, with 1,000 sockets.
func (b *bench) top(ctx context.Context) (err error) {
	if !b.has(ctx, "top") {
		b.out.Top = &topTable{Missing: "this lodge has no such command"}
		return nil
	}
	settle, seconds := 6*time.Second, 30*time.Second
	if b.opt.quick {
		settle, seconds = 3*time.Second, 5*time.Second
	}
	p := population{"top", 20, 2, 24, 0, 0}
	b.say("top: making %d sockets", p.sockets())
	n, _, end, err := b.load(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	runtime, err := b.w.Mkdir("top")
	if err != nil {
		return err
	}
	env := b.lodgeEnv(runtime)
	daemon, err := scratch.Start(env, b.w.Dir, b.lodge, "daemon")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, daemon.Terminate()) }()
	if !appears(ctx, runtime+"/lodge/lodge.sock", 20*time.Second) {
		return errors.New("the daemon does not start")
	}
	ours, theirs, err := pty.Open()
	if err != nil {
		return err
	}
	defer ours.Close()
	if err := pty.Setsize(theirs, &pty.Winsize{Rows: 40, Cols: 120}); err != nil {
		return errors.Join(err, theirs.Close())
	}
	cmd := exec.Command(b.lodge, "top")
	cmd.Env, cmd.Dir = env, b.w.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = n.within(cmd.Start)
	_ = theirs.Close()
	if err != nil {
		return err
	}
	var drained sync.WaitGroup
	drained.Go(func() { _, _ = io.Copy(io.Discard, ours) }) // ends with EIO, when top does
	defer func() {
		_ = scratch.End(context.WithoutCancel(ctx), cmd.Process.Pid)
		_ = cmd.Wait() // its status is of no interest
		drained.Wait()
	}()
	b.say("top: %s, left alone", seconds)
	pids := []int{cmd.Process.Pid, daemon.PID()}
	pids = append(pids, scratch.Children(daemon.PID())...)
	if err := wait(ctx, settle); err != nil {
		return err
	}
	before, err := cpuOfAll(pids)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := wait(ctx, seconds); err != nil {
		return err
	}
	after, err := cpuOfAll(pids)
	if err != nil {
		return err
	}
	took := time.Since(begin).Seconds()
	b.out.Top = &topTable{Sockets: p.sockets(), Seconds: took, CPU: (after - before) / took}
	return nil
}

func cpuOfAll(pids []int) (float64, error) {
	sum := 0.0
	for _, pid := range pids {
		s, err := scratch.CPU(pid)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			return 0, errors.New("a process of lodge's ended meanwhile")
		}
		if err != nil {
			return 0, err
		}
		sum += s
	}
	return sum, nil
}

// wait lets time pass: it is what is measured.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
