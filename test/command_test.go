package test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// commandLimit ends a command that hangs, so that the test says which one.
const commandLimit = 300 * time.Second

// result is how a command ended.
type result struct {
	args           []string
	stdout, stderr string
	code           int // 128+signal where a signal ended it
}

// command makes a command of this environment's user.
func (e *env) command(ctx context.Context, dir string, argv ...string) *exec.Cmd {
	argv = append(append([]string(nil), e.prefix...), argv...)
	for i := range e.prefix {
		argv[i] = strings.ReplaceAll(argv[i], workingDirectory, dir)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, e.environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if e.uid != os.Geteuid() && len(e.prefix) == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(e.uid), Gid: uint32(e.uid)}
	}
	return cmd
}

// workingDirectory in a prefix stands for the directory of the command.
const workingDirectory = "@DIR@"

// lodge runs a lodge command in dir to its end.
func (e *env) lodge(dir string, args ...string) result {
	e.t.Helper()
	return e.as(e.environ, dir, append([]string{e.bin}, args...)...)
}

// as runs any command to its end as this environment's user.
func (e *env) as(environ []string, dir string, argv ...string) result {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := e.command(ctx, dir, argv...)
	cmd.Env = environ
	return finish(e.t, ctx, cmd)
}

// finish runs a command to its end.
func finish(t *testing.T, ctx context.Context, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	// Whoever holds the pipes longer than the command was given them by mistake.
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	r := result{args: cmd.Args, stdout: out.String(), stderr: errs.String()}
	var ex *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("%s: not done after %s\n%s", strings.Join(cmd.Args, " "), commandLimit, r.text())
	case errors.Is(err, exec.ErrWaitDelay):
		t.Errorf("%s: something it started still holds its output", strings.Join(cmd.Args, " "))
	case errors.As(err, &ex):
		r.code = exitCode(ex.ProcessState)
	case err != nil:
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	return r
}

func exitCode(s *os.ProcessState) int {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return s.ExitCode()
}

func (r result) text() string {
	return "stdout: " + r.stdout + "\nstderr: " + r.stderr
}

func (r result) String() string {
	return strings.Join(r.args, " ") + ": status " + strconv.Itoa(r.code) + "\n" + r.text()
}

// ok ends the test where the command did not exit with 0, and gives its
// standard output without the last newline.
func (r result) ok(t *testing.T) string {
	t.Helper()
	if r.code != 0 {
		t.Fatal(r)
	}
	return strings.TrimRight(r.stdout, "\n")
}

// process is a command in the background.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}

	mu       sync.Mutex // guards out and err
	out, err bytes.Buffer
}

type lockedBuffer struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (l lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// start starts a lodge command; it is killed at the test's end if it has not
// ended by then.
func (e *env) start(dir string, args ...string) *process {
	e.t.Helper()
	return background(e.t, e.command(context.Background(), dir, append([]string{e.bin}, args...)...))
}

func background(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = lockedBuffer{&p.mu, &p.out}
	}
	if cmd.Stderr == nil {
		cmd.Stderr = lockedBuffer{&p.mu, &p.err}
	}
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait(); close(p.done) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-p.done })
	return p
}

func (p *process) stdout() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func (p *process) stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err.String()
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits for the end of the command.
func (p *process) wait() result {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(commandLimit):
		p.t.Fatalf("%s: not done after %s\nstdout: %s\nstderr: %s", strings.Join(p.cmd.Args, " "), commandLimit, p.stdout(), p.stderr())
	}
	return result{args: p.cmd.Args, stdout: p.stdout(), stderr: p.stderr(), code: exitCode(p.cmd.ProcessState)}
}
