package seccomphome

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/home/hostsview"
	"lodge/internal/home/seccomphome/processes"
	"lodge/internal/home/seccomphome/shim"
)

// launch starts a shim, and returns when it has become the program.
func launch(h *Home, c home.Command) (int, error) {
	if c.Path == "" || len(c.Args) == 0 {
		return 0, fmt.Errorf("no path or no arguments: %w", unix.EINVAL)
	}
	attr := syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true, Setctty: c.Terminal}}
	// The shim of this engine becomes the one that mounts: the right to do so
	// survives both.
	c = hostsview.Wrap(c, h.exe, attr.Sys)
	o := shim.Order{Strict: h.router.Strict, Dir: c.Dir, Path: c.Path, Args: c.Args, Env: withEnv(c.Env, processes.EnvHome, h.spec.ID, processes.EnvService, c.Service)}
	for i, f := range c.Files {
		if f == nil {
			if i < 3 {
				o.Closed |= 1 << i
			}
			attr.Files = append(attr.Files, ^uintptr(0))
			continue
		}
		attr.Files = append(attr.Files, f.Fd())
	}
	for i := len(attr.Files); i < 3; i++ {
		o.Closed |= 1 << i
		attr.Files = append(attr.Files, ^uintptr(0))
	}
	text, err := o.Encode()
	if err != nil {
		return 0, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("make socket pair: %w", err)
	}
	defer func() { _ = unix.Close(pair[0]) }() // all was said
	attr.Files = append(attr.Files, uintptr(pair[1]))
	pid, err := h.marker.Start(c.Service, func() (int, error) {
		return syscall.ForkExec(h.exe, []string{shim.Name, strconv.Itoa(len(attr.Files) - 1)}, &attr)
	})
	runtime.KeepAlive(c.Files)
	_ = unix.Close(pair[1]) // the shim has it
	if err != nil {
		return 0, fmt.Errorf("run shim %s: %w", h.exe, err)
	}
	if err := shim.Guide(pair[0], text, func(listener int) error { return supervise(h, c.Service, listener) }); err != nil {
		bury(pid)
		return 0, err
	}
	return pid, nil
}

// bury ends and reaps a shim that did not become a program. It may have been
// reaped already.
func bury(pid int) {
	_ = unix.Kill(pid, unix.SIGKILL) // it is our child and not reaped: no other process
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// withEnv sets variables, given as names and values, in an environment.
func withEnv(env []string, pairs ...string) []string {
	out := make([]string, 0, len(env)+len(pairs)/2)
	for _, e := range env {
		keep := true
		for i := 0; i < len(pairs); i += 2 {
			keep = keep && !strings.HasPrefix(e, pairs[i]+"=")
		}
		if keep {
			out = append(out, e)
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, pairs[i]+"="+pairs[i+1])
	}
	return out
}
