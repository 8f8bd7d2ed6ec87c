package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/bench/internal/scratch"
)

// poll is how often something is looked for that is about to come.
const poll = 2 * time.Millisecond

// lodge is one daemon of its own, by directories of its own.
type lodge struct {
	exe     string
	env     []string
	runtime string // where its socket is
	state   string
}

// newLodge returns a lodge that is ended with the bench.
func (b *bench) newLodge(name string) (*lodge, error) {
	run, err := b.w.Mkdir(name + "/r")
	if err != nil {
		return nil, err
	}
	state, err := b.w.Mkdir(name + "/s")
	if err != nil {
		return nil, err
	}
	l := &lodge{
		exe: b.tools.lodge, runtime: run + "/lodge", state: state + "/lodge",
		env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.w.Dir, "XDG_RUNTIME_DIR=" + run, "XDG_STATE_HOME=" + state},
	}
	b.w.Later(l.end)
	return l, nil
}

// do runs a lodge command in dir and gives what it printed.
func (l *lodge) do(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, l.exe, args...)
	cmd.Env, cmd.Dir = l.env, dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("lodge %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}

// project is what `lodge ls --json` says of a project, as far as it is needed.
type project struct {
	Path      string `json:"path"`
	Home      string `json:"home"`
	Engine    string `json:"engine"`
	KeeperPID int    `json:"keeper_pid"`
	State     string `json:"state"`
	Services  []struct {
		Name      string `json:"name"`
		State     string `json:"state"`
		PID       int    `json:"pid"`
		Restarts  int    `json:"restarts"`
		StartedAt string `json:"started_at"`
	} `json:"services"`
}

func (l *lodge) ls(ctx context.Context) ([]project, error) {
	out, err := l.do(ctx, "/", "ls", "--json")
	if err != nil {
		return nil, err
	}
	var v struct {
		Projects []project `json:"projects"`
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		return nil, fmt.Errorf("read what lodge ls --json says: %w", err)
	}
	return v.Projects, nil
}

func (l *lodge) find(ctx context.Context, dir string) (project, error) {
	ps, err := l.ls(ctx)
	if err != nil {
		return project{}, err
	}
	for _, p := range ps {
		if p.Path == dir {
			return p, nil
		}
	}
	return project{}, fmt.Errorf("find project %s: lodge ls has it not", dir)
}

// daemon returns the daemon's process, by asking the kernel who listens on its
// socket (SO_PEERCRED, unix(7)); 0 if it does not run.
func (l *lodge) daemon() int {
	c, err := net.Dial("unix", l.runtime+"/lodge.sock")
	if err != nil {
		return 0
	}
	defer c.Close()
	rc, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	_ = rc.Control(func(fd uintptr) {
		if cr, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cr.Pid)
		}
	})
	return pid
}

// helper returns the daemon's privileged child, 0 if it has none.
func (l *lodge) helper() int {
	for _, pid := range scratch.Children(l.daemon()) {
		if argv := cmdline(pid); len(argv) > 1 && argv[1] == "helper" {
			return pid
		}
	}
	return 0
}

// startDaemon runs the daemon as one that stays when nothing is up.
func (l *lodge) startDaemon(ctx context.Context, log *os.File) error {
	cmd := exec.Command(l.exe, "daemon")
	cmd.Env, cmd.Dir = l.env, "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	go func() { _ = cmd.Wait() }() // l.end ends it
	return scratch.Eventually(ctx, poll, 20*time.Second, func() error {
		if l.daemon() == 0 {
			return errors.New("start daemon: it does not answer")
		}
		return nil
	})
}

// stopDaemon ends the daemon and its helper and waits for both; what runs goes
// on.
func (l *lodge) stopDaemon(ctx context.Context) error {
	pid, helper := l.daemon(), l.helper()
	if pid == 0 {
		return nil
	}
	err := scratch.End(ctx, pid)
	if helper != 0 {
		err = errors.Join(err, scratch.WaitForEnd(ctx, helper)) // it follows, once it has tidied up
	}
	return err
}

// end stops all that runs and then the daemon.
func (l *lodge) end(ctx context.Context) error {
	if _, err := os.Stat(l.state); errors.Is(err, os.ErrNotExist) {
		return nil // it was never used
	}
	_, err := l.do(ctx, "/", "down", "--all")
	return errors.Join(err, l.stopDaemon(ctx))
}

// works reports why an engine cannot be used here, or "".
func (l *lodge) works(ctx context.Context, engine, dir string) string {
	_, err := l.do(ctx, dir, "exec", "--engine", engine, "--", "/bin/true")
	if err == nil {
		return ""
	}
	_, why, ok := strings.Cut(err.Error(), "lodge: ")
	if !ok {
		return err.Error()
	}
	why, _, _ = strings.Cut(why, "\n")
	return why
}
