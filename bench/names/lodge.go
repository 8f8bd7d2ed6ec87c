package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/bench/internal/scratch"
)

// poll is how often something is looked for that is about to come.
const poll = 10 * time.Millisecond

// lodge is one daemon of its own, by directories of its own.
type lodge struct {
	exe     string
	env     []string
	runtime string
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
		env: []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin", "HOME=" + b.w.Dir, "XDG_RUNTIME_DIR=" + run, "XDG_STATE_HOME=" + state},
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

// opened is what `lodge open --json` says.
type opened struct {
	URL  string `json:"url"`
	Home string `json:"home"`
}

func (l *lodge) open(ctx context.Context, dir string) (opened, error) {
	out, err := l.do(ctx, dir, "open", "--json")
	if err != nil {
		return opened{}, err
	}
	var o opened
	if err := json.Unmarshal([]byte(out), &o); err != nil {
		return o, fmt.Errorf("read what lodge open --json says: %w", err)
	}
	return o, nil
}

// ports returns those on which the names of a URL are served, over HTTP and
// HTTPS: 80 and 443, or one for both.
func (o opened) ports() (plain, secure int, err error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return 0, 0, err
	}
	if u.Port() == "" {
		return 80, 443, nil
	}
	n, err := strconv.Atoi(u.Port())
	return n, n, err
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

// stayingDaemon runs the daemon as one that stays when nothing is up.
func (l *lodge) stayingDaemon(ctx context.Context, b *bench) error {
	child, err := scratch.Start(l.env, "/", "/bin/sh", "-c", `exec "$0" daemon >/dev/null 2>&1`, l.exe)
	if err != nil {
		return err
	}
	b.w.Later(func(context.Context) error { return child.Terminate() })
	return scratch.Eventually(ctx, poll, 20*time.Second, func() error {
		if l.daemon() == 0 {
			return errors.New("start daemon: it does not answer")
		}
		return nil
	})
}

// end stops all that runs and then the daemon, with its helper.
func (l *lodge) end(ctx context.Context) error {
	pid := l.daemon()
	if pid == 0 {
		return nil
	}
	below := tree(pid)
	_, err := l.do(ctx, "/", "down", "--all")
	err = errors.Join(err, scratch.End(ctx, pid))
	for _, p := range below[1:] {
		if err == nil && isHelper(p) {
			err = scratch.WaitForEnd(ctx, p) // it follows, once it has tidied up
		}
	}
	return err
}

func isHelper(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(b), "\x00helper\x00")
}

// lodgeUp brings up a project whose one service is the server, and leads to it
// by the daemon's own ports.
func (s *site) lodgeUp(ctx context.Context, c *contender, to behind) (*contender, error) {
	l, err := s.b.newLodge(fmt.Sprintf("up-%s-%s", c.scheme, filepath.Base(to.argv[0])))
	if err != nil {
		return nil, err
	}
	dir, err := s.b.w.Mkdir(filepath.Base(filepath.Dir(l.runtime)) + "-" + c.scheme + "-" + filepath.Base(to.argv[0]) + "/app")
	if err != nil {
		return nil, err
	}
	command, err := json.Marshal(to.argv) // such strings are TOML's too
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("version = 1\nname = \"app\"\n[services.web]\ncommand = %s\nhttp = %d\n", command, homePort)
	if err := os.WriteFile(filepath.Join(dir, "lodge.toml"), []byte(text), 0o644); err != nil {
		return nil, err
	}
	if _, err := l.do(ctx, dir, "up", "-d"); err != nil {
		return nil, errors.Join(err, l.end(context.WithoutCancel(ctx)))
	}
	o, err := l.open(ctx, dir)
	if err != nil {
		return nil, err
	}
	plain, secure, err := o.ports()
	if err != nil {
		return nil, err
	}
	c.port = plain
	if c.scheme == "https" {
		c.port = secure
	}
	pid := l.daemon()
	c.pids, c.stop = func() []int { return []int{pid} }, l.end
	if err := c.await(ctx, 20*time.Second); err != nil {
		return nil, errors.Join(fmt.Errorf("lodge up: %w", err), l.end(context.WithoutCancel(ctx)))
	}
	return c, nil
}

func dialled(ctx context.Context, port int) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	return c.Close()
}

func port(addr string) string {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return p
}
