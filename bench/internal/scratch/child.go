package scratch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Child is a program that runs in a process group of its own, so that Ctrl-C
// reaches the bench alone, which then ends it.
type Child struct {
	cmd    *exec.Cmd
	in     *os.File // its standard input
	out    *bufio.Reader
	outEnd *os.File
	said   strings.Builder // its standard error
}

// Start starts argv with pipes for input and output.
func Start(env []string, dir string, argv ...string) (*Child, error) {
	c := &Child{cmd: exec.Command(argv[0], argv[1:]...)}
	inR, inW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, inR.Close(), inW.Close())
	}
	c.cmd.Env, c.cmd.Dir = env, dir
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = inR, outW, &c.said
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.cmd.WaitDelay = time.Second
	err = c.cmd.Start()
	err = errors.Join(err, inR.Close(), outW.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", strings.Join(argv, " "), err), inW.Close(), outR.Close())
	}
	c.in, c.outEnd, c.out = inW, outR, bufio.NewReader(outR)
	return c, nil
}

// Line reads one line of output, and waits no longer than d.
func (c *Child) Line(ctx context.Context, d time.Duration) (string, error) {
	if err := c.outEnd.SetReadDeadline(time.Now().Add(d)); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.outEnd.SetReadDeadline(time.Now()) })
	defer stop()
	l, err := c.out.ReadString('\n')
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		name := strings.Join(c.cmd.Args, " ")
		if errors.Is(err, io.EOF) {
			_ = c.cmd.Wait() // its last words are complete then
			c.cmd.Process = nil
			return "", fmt.Errorf("run %s: it ended: %s", name, strings.TrimSpace(c.said.String()))
		}
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	return strings.TrimSpace(l), nil
}

// Order writes a line and reads the number that answers it.
func (c *Child) Order(ctx context.Context, line string) (float64, error) {
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		return 0, fmt.Errorf("order %q: %w", line, err)
	}
	l, err := c.Line(ctx, 20*time.Second)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(l, 64)
	if err == nil && v <= 0 {
		err = errors.New("it measured nothing")
	}
	if err != nil {
		return 0, fmt.Errorf("order %q: %w", line, err)
	}
	return v, nil
}

// Close ends the program: kindly by the end of its input, then by signals.
func (c *Child) Close() error {
	err := c.in.Close()
	if c.cmd.Process != nil {
		kill := time.AfterFunc(3*time.Second, func() { _ = unix.Kill(-c.cmd.Process.Pid, unix.SIGKILL) })
		_ = c.cmd.Wait() // its status is of no interest
		kill.Stop()
	}
	return errors.Join(err, c.outEnd.Close())
}

// Terminate ends a program that does not end with its input: by SIGTERM.
func (c *Child) Terminate() error {
	if c.cmd.Process != nil {
		_ = c.cmd.Process.Signal(unix.SIGTERM) // it may have ended
		kill := time.AfterFunc(10*time.Second, func() { _ = unix.Kill(-c.cmd.Process.Pid, unix.SIGKILL) })
		_ = c.cmd.Wait() // its status is of no interest
		kill.Stop()
	}
	return errors.Join(c.in.Close(), c.outEnd.Close())
}

// PID is the program's.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// WaitForEnd waits until a process has ended by itself; after a time limit it
// is ended.
func WaitForEnd(ctx context.Context, pid int) error {
	return signalAndWait(ctx, pid, 0, 20*time.Second)
}

// End asks a process to end and waits until it has; after the time
// limit it is killed. It need not be a child of the bench.
func End(ctx context.Context, pid int) error {
	return signalAndWait(ctx, pid, unix.SIGTERM, 30*time.Second)
}

// Kill kills a process and waits until it has ended.
func Kill(ctx context.Context, pid int) error {
	return signalAndWait(ctx, pid, unix.SIGKILL, 10*time.Second)
}

func signalAndWait(ctx context.Context, pid int, sig unix.Signal, limit time.Duration) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	if gone(ctx, fd, limit) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	if !gone(ctx, fd, 10*time.Second) {
		return fmt.Errorf("kill process %d: it is still there", pid)
	}
	return nil
}

// gone waits for the end of a process (pidfd_open(2)): a zombie has ended too.
func gone(ctx context.Context, pidfd int, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline) && ctx.Err() == nil; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 100)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
	return false
}
