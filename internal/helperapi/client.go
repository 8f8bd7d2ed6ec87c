package helperapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
	"lodge/internal/stall"
)

// Client talks to a helper. Its methods may be called from several goroutines,
// and their calls are under way at the same time. A call that is given up by
// its context leaves the client as it was, and what it made is undone.
type Client struct {
	*mux
	// child is the helper's process if Spawn started it.
	child *exec.Cmd
}

// NewClient makes a client of a connected SOCK_SEQPACKET socket.
func NewClient(conn *net.UnixConn) *Client { return newClient(conn, nil) }

func newClient(conn *net.UnixConn, child *exec.Cmd) *Client {
	c := &Client{mux: newMux(conn), child: child}
	c.guard = func(ctx context.Context) (context.Context, func()) {
		return stall.Guard(ctx, stall.Peer{Role: "the helper", PID: c.Process})
	}
	c.background.Go(c.read)
	return c
}

// Dial connects to the helper that listens at path.
func Dial(ctx context.Context, path string) (*Client, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unixpacket", path)
	if err != nil {
		return nil, fmt.Errorf("connect to helper: %w", err)
	}
	return NewClient(c.(*net.UnixConn)), nil
}

// ProgramName is the name of the program that is the helper.
const ProgramName = "lodge-helper"

// Spawn starts a helper: the executable exe with args (argv[0] excluded) and,
// as its descriptor 3, one end of a socket pair. It has no environment, no
// terminal, and a session of its own, so that what the terminal sends to the
// caller's group does not reach it. It ends when the client is closed.
func Spawn(exe string, args ...string) (*Client, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start helper: %w", os.NewSyscallError("socketpair", err))
	}
	theirs := os.NewFile(uintptr(fds[1]), "helper")
	conn, err := FromFile(os.NewFile(uintptr(fds[0]), "helper"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start helper: %w", err), theirs.Close())
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	if err = errors.Join(err, theirs.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("start helper %s: %w", exe, err), conn.Close())
	}
	return newClient(conn, cmd), nil
}

// Pid returns the process id of a helper that Spawn started, else 0.
func (c *Client) Pid() int {
	if c.child == nil {
		return 0
	}
	return c.child.Process.Pid
}

// Err returns why the helper cannot be asked any more: nil while the
// connection stands, else an error that is ErrGone.
func (c *Client) Err() error { return c.err() }

// childPatience bounds how long Close waits for a helper that Spawn started,
// before it kills it: one that was stopped (SIGSTOP) does not end by itself. As
// long it waits for the end of one that was killed. One that the kernel works for is
// left to it.
const childPatience = 10 * time.Second

// Close says good-bye. Homes go on: see Serve. A helper that Spawn started is
// waited for; how it ended is not an error of the client.
func (c *Client) Close() error {
	err := c.conn.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil // the helper went first
	}
	c.background.Wait()
	if c.child == nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.child.Wait() }()
	var exit *exec.ExitError
	for range 2 {
		select {
		case werr := <-ended:
			if werr != nil && !errors.As(werr, &exit) {
				err = errors.Join(err, fmt.Errorf("wait for helper: %w", werr))
			}
			return err
		case <-time.After(childPatience):
			if procfs.ReadActivity([]int{c.Pid()}).Disk {
				// A signal cannot end what the kernel does, and would keep it from doing
				// all of it, such as from taking probes out (see taps.Shared.Wait).
				return errors.Join(err, fmt.Errorf("wait for helper: process %d ends when the kernel lets go of what it takes back", c.Pid()))
			}
			_ = c.child.Process.Kill()
		}
	}
	return errors.Join(err, fmt.Errorf("wait for helper: process %d does not end, although it was killed", c.Pid()))
}
