package seccomphome

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/fdpass"
	"lodge/internal/home"
	"lodge/internal/home/hostsview"
	"lodge/internal/home/seccomphome/shim"
	"lodge/internal/loopback"
)

// The environment by which a process that lost its parents is recognised.
const (
	envHome    = "LODGE_HOME_ID"
	envService = "LODGE_SERVICE"
)

// startLimit is how long the shim may take from one word to the next, in
// seconds: an executable can be on a slow network disk.
const startLimit = 60

// Start starts a process inside. What the shim cannot do, and an executable
// that cannot be executed, is an error that holds the errno.
func (h *Home) Start(c home.Command) (int, error) {
	pid, err := h.start(c)
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", c.Path, err)
	}
	return pid, nil
}

func (h *Home) start(c home.Command) (int, error) {
	if c.Path == "" || len(c.Args) == 0 {
		return 0, fmt.Errorf("no path or no arguments: %w", unix.EINVAL)
	}
	attr := syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true, Setctty: c.Terminal}}
	// The shim of this engine becomes the one that mounts: the right to do so
	// survives both.
	c = hostsview.Wrap(c, h.exe, attr.Sys)
	o := shim.Order{Strict: h.spec.Isolation == loopback.Strict, Dir: c.Dir, Path: c.Path, Args: c.Args, Env: withEnv(c.Env, envHome, h.spec.ID, envService, c.Service)}
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
	if err := h.guide(pair[0], text, c.Service); err != nil {
		bury(pid)
		return 0, err
	}
	h.startedMain(pid, c.Service)
	return pid, nil
}

// guide tells the shim what to do, takes the listener from it, and waits until
// it has become the program.
func (h *Home) guide(fd int, text []byte, service string) error {
	limit := unix.Timeval{Sec: startLimit}
	err := errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit))
	if err != nil {
		return fmt.Errorf("set time limit: %w", err)
	}
	if err := shim.WriteAll(fd, text); err != nil {
		return fmt.Errorf("tell shim: %w", err)
	}
	first, listener, err := readReply(fd)
	if err != nil {
		return fmt.Errorf("hear shim: %w", err)
	}
	if first.Kind == shim.ReplyError {
		return first.Err()
	}
	if listener < 0 {
		return fmt.Errorf("hear shim: no descriptor came: %w", shim.ErrReply)
	}
	if err := h.add(service, listener); err != nil {
		return err
	}
	last, extra, err := readReply(fd)
	if extra >= 0 {
		_ = unix.Close(extra) // not in the protocol
	}
	switch {
	case errors.Is(err, shim.ErrEnd):
		return nil // exec has closed it
	case err != nil:
		return fmt.Errorf("hear shim: %w", err)
	case last.Kind != shim.ReplyError:
		return fmt.Errorf("hear shim: %w", shim.ErrReply)
	}
	return last.Err()
}

// readReply reads one reply and the descriptor that comes with it, or -1.
func readReply(fd int) (shim.Reply, int, error) {
	b := make([]byte, shim.ReplySize)
	control := make([]byte, unix.CmsgSpace(4))
	var n, nc int
	var err error
	for {
		n, nc, _, _, err = unix.Recvmsg(fd, b, control, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return shim.Reply{}, -1, err
	}
	got := -1
	if fds, err := fdpass.Decode(control[:nc]); err == nil {
		for _, fd := range fds {
			if got >= 0 {
				_ = unix.Close(got) // there is room for two, by alignment
			}
			got = fd
		}
	}
	if n == 0 {
		return shim.Reply{}, got, shim.ErrEnd
	}
	if err := shim.ReadAll(fd, b[n:]); err != nil {
		return shim.Reply{}, got, err
	}
	r, err := shim.DecodeReply(b)
	return r, got, err
}

// bury ends and reaps a shim that did not become a program. Somebody else may
// have reaped it.
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
