package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/bench/internal/scratch"
)

// inside is a network namespace in which commands are started: by a thread
// that is in it, since a program such as `ip netns exec` in front of each would
// be measured too.
type inside struct {
	name string
	do   chan func()
	done sync.WaitGroup
}

// newInside makes a namespace that is removed with the bench.
func (b *bench) newInside(ctx context.Context, name string) (*inside, error) {
	if _, err := exec.LookPath("ip"); err != nil {
		return nil, &scratch.NeedError{What: "needs ip (Debian: iproute2)"}
	}
	n := &inside{name: fmt.Sprintf("lodge-look-%d-%s", os.Getpid(), name), do: make(chan func())}
	if err := scratch.IP(ctx, "netns", "add", n.name); err != nil {
		return nil, err
	}
	b.w.Later(func(ctx context.Context) error { return scratch.IP(ctx, "netns", "del", n.name) })
	if err := scratch.IP(ctx, "-n", n.name, "link", "set", "lo", "up"); err != nil {
		return nil, err
	}
	entered := make(chan error)
	n.done.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		err := enter(n.name)
		entered <- err
		if err == nil {
			for f := range n.do {
				f()
			}
		}
	})
	if err := <-entered; err != nil {
		n.done.Wait()
		return nil, err
	}
	b.w.Later(func(context.Context) error { close(n.do); n.done.Wait(); return nil })
	return n, nil
}

func enter(name string) error {
	f, err := os.Open("/run/netns/" + name)
	if err != nil {
		return fmt.Errorf("enter namespace: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace: %w", os.NewSyscallError("setns", err))
	}
	return nil
}

// within calls f on the thread that is in the namespace.
func (n *inside) within(f func() error) error {
	err := make(chan error)
	n.do <- func() { err <- f() }
	return <-err
}

// cost is what one run of a command took.
type cost struct {
	wall, cpu float64 // seconds
}

// limit ends a command that takes far longer than any of these should.
const limit = 5 * time.Minute

// command makes a command whose errors are told with what it said.
func (c *contender) command(ctx context.Context) (*exec.Cmd, *strings.Builder) {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Env = c.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said strings.Builder
	cmd.Stderr = &said
	return cmd, &said
}

func (c *contender) fault(err error, said *strings.Builder) error {
	var ex *exec.ExitError
	if errors.As(err, &ex) && ex.ExitCode() == 1 && c.oneIsFine {
		return nil
	}
	if err != nil {
		return fmt.Errorf("run %s: %w: %.300s", strings.Join(c.argv, " "), err, strings.TrimSpace(said.String()))
	}
	return nil
}

// time runs a command whose output goes nowhere.
func (n *inside) time(ctx context.Context, c *contender) (cost, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd, said := c.command(ctx)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return cost{}, err
	}
	defer null.Close()
	// A file, and not a pipe that a goroutine of ours would have to copy from.
	errs, err := os.CreateTemp("", "lodge-look-")
	if err != nil {
		return cost{}, err
	}
	defer os.Remove(errs.Name())
	defer errs.Close()
	cmd.Stdout, cmd.Stderr = null, errs
	var begin time.Time
	if err := n.within(func() error { begin = time.Now(); return cmd.Start() }); err != nil {
		return cost{}, err
	}
	err = cmd.Wait()
	wall := time.Since(begin)
	if b, e := os.ReadFile(errs.Name()); e == nil {
		said.Write(b)
	}
	if err := c.fault(err, said); err != nil {
		return cost{}, err
	}
	s := cmd.ProcessState
	return cost{wall: wall.Seconds(), cpu: (s.UserTime() + s.SystemTime()).Seconds()}, nil
}

// look runs a command once more and gives its output and its peak memory. The
// latter is read from /proc while it runs, again and again: what wait4(2) says
// of a child begins with the memory of its parent.
func (n *inside) look(ctx context.Context, c *contender) (output string, peak float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd, said := c.command(ctx)
	// To a file: a slow reader of a pipe would be in the way.
	out, err := os.CreateTemp("", "lodge-look-")
	if err != nil {
		return "", 0, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout = out
	if err := n.within(cmd.Start); err != nil {
		return "", 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err := c.fault(err, said); err != nil {
				return "", 0, err
			}
			text, err := os.ReadFile(out.Name())
			return string(text), peak, err
		case <-tick.C:
			if m, err := peakOf(cmd.Process.Pid, c.argv[0]); err == nil {
				peak = max(peak, m)
			}
		}
	}
}
