package test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

func TestExitStatusAndSignals(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("status")
		for _, verb := range []string{"exec", "run"} {
			if r := p.lodge(verb, "--", "sh", "-c", "echo out; echo err >&2; exit 7"); r.code != 7 || r.stdout != "out\n" || r.stderr != "err\n" {
				t.Errorf("%s of a command that exits with 7: %v", verb, r)
			}
			if r := p.lodge(verb, "true"); r.code != 0 || r.stdout+r.stderr != "" {
				t.Errorf("%s true: %v", verb, r)
			}
			if r := p.lodge(verb, "--", "sh", "-c", "kill -TERM $$"); r.code != 128+15 {
				t.Errorf("%s of a command that a signal ends: %v", verb, r)
			}
			// Flags after the command are the command's.
			if r := p.lodge(verb, "echo", "--json", "-d"); r.code != 0 || r.stdout != "--json -d\n" {
				t.Errorf("%s echo: %v", verb, r)
			}
			for sig, want := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130, syscall.SIGHUP: 129} {
				q := p.start(verb, "--", "sh", "-c", "echo ready; exec sleep 1000")
				awaitOutput(t, q, "ready\n")
				q.signal(sig)
				if r := q.wait(); r.code != want {
					t.Errorf("%s that gets signal %d: want status %d: %v", verb, sig, want, r)
				}
			}
			q := p.start(verb, "--", "sh", "-c", `trap 'echo got it; exit 5' USR1; echo ready; while :; do sleep 0.05; done`)
			awaitOutput(t, q, "ready\n")
			q.signal(syscall.SIGUSR1)
			if r := q.wait(); r.code != 5 || !strings.HasSuffix(r.stdout, "got it\n") {
				t.Errorf("%s with a trap: %v", verb, r)
			}
			// Standard input goes in, to its end.
			cmd := e.command(context.Background(), p.dir, e.bin, verb, "--", "cat")
			cmd.Stdin = strings.NewReader("through\nand through\n")
			if r := finish(t, context.Background(), cmd); r.stdout != "through\nand through\n" {
				t.Errorf("%s cat: %v", verb, r)
			}
		}
		// The environment and the directory are the caller's own.
		p.mkdir(filepath.Join(p.dir, "sub"))
		r := e.as(append([]string{"MINE=yes", "PATH=" + testPath}, e.environ...), filepath.Join(p.dir, "sub"), e.bin, "exec", "--", "sh", "-c", `echo "$MINE $PWD $LODGE_PROJECT"`)
		if got := r.ok(t); got != "yes "+p.dir+"/sub sub" && got != "yes "+p.dir+"/sub status" {
			t.Errorf("environment and directory inside: %q", got)
		}
	})
}

// The command dies with whoever started it, as when a terminal is closed.
func TestRunClientKilled(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("orphan")
		q := p.start("run", "--", "sh", "-c", "echo ready; exec sleep 1000")
		awaitOutput(t, q, "ready\n")
		q.signal(syscall.SIGKILL)
		eventually(t, func() string {
			for _, x := range e.processes() {
				if strings.HasPrefix(x.String(), "sleep") || strings.Contains(x.String(), "sleep 1000") {
					return "the command lives: " + x.String()
				}
			}
			return ""
		})
	})
}

func awaitOutput(t *testing.T, p *process, want string) {
	t.Helper()
	eventually(t, func() string {
		if strings.Contains(p.stdout(), want) {
			return ""
		}
		return "it says " + p.stdout() + p.stderr() + ", want " + want
	})
}

// A reader that has had enough ends the command, as in a shell.
func TestOutputToClosedPipe(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("pipe")
		for _, verb := range []string{"run", "exec"} {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd := e.command(context.Background(), p.dir, e.bin, verb, "--", "yes")
			cmd.Stdout = w
			q := background(t, cmd)
			_ = w.Close()
			line, err := bufio.NewReader(r).ReadString('\n')
			if err != nil || line != "y\n" {
				t.Errorf("%s yes: %q, %v", verb, line, err)
			}
			_ = r.Close()
			if got := q.wait(); got.code == 0 {
				t.Errorf("%s yes, whose reader left: %v", verb, got)
			}
		}
	})
}

// terminal starts a lodge command on a terminal of 33 rows and 101 columns.
func (p *project) terminal(args ...string) (*os.File, *exec.Cmd) {
	p.t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		p.t.Fatal(err)
	}
	defer slave.Close()
	if err := pty.Setsize(master, &pty.Winsize{Rows: 33, Cols: 101}); err != nil {
		p.t.Fatal(err)
	}
	if err := slave.Chown(p.uid, -1); err != nil {
		p.t.Fatal(err)
	}
	cmd := p.command(context.Background(), p.dir, append([]string{p.bin}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr.Setpgid = false
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = master.Close() })
	return master, cmd
}

func TestTerminal(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("tty")
		for _, verb := range []string{"exec", "run"} {
			master, cmd := p.terminal(verb, "--", "sh", "-c", "tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo all; exit 9")
			out := drained(master)
			_ = cmd.Wait()
			got := strings.ReplaceAll(<-out, "\r\n", "\n")
			if code := cmd.ProcessState.ExitCode(); code != 9 || !strings.HasPrefix(got, "/dev/pts/") || !strings.Contains(got, "\n33 101\nall\n") {
				t.Errorf("%s on a terminal: status %d, %q", verb, code, got)
			}
		}
		// Typing, Ctrl-C and a change of size arrive.
		master, cmd := p.terminal("exec", "--", "sh", "-c", `trap 'stty size' WINCH; trap 'echo interrupted; exit 4' INT; echo ready; read line; echo "read $line"; while :; do sleep 0.05; done`)
		lines := newLines(master)
		lines.await(t, "ready")
		if _, err := io.WriteString(master, "typed\r"); err != nil {
			t.Fatal(err)
		}
		lines.await(t, "read typed")
		if err := pty.Setsize(master, &pty.Winsize{Rows: 20, Cols: 60}); err != nil {
			t.Fatal(err)
		}
		lines.await(t, "20 60")
		if _, err := io.WriteString(master, "\x03"); err != nil {
			t.Fatal(err)
		}
		lines.await(t, "interrupted")
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 4 {
			t.Errorf("status %d after Ctrl-C, want 4", code)
		}
	})
}

// drained reads a terminal to its end.
func drained(f *os.File) <-chan string {
	out := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(f) // ends with EIO, when the other end is closed
		out <- string(b)
	}()
	return out
}

// lines are what a terminal shows, as it comes.
type lines struct {
	ch   chan string
	seen []string
}

func newLines(f io.Reader) *lines {
	l := &lines{ch: make(chan string, 1000)}
	go func() {
		defer close(l.ch)
		s := bufio.NewScanner(f)
		for s.Scan() {
			l.ch <- strings.TrimRight(s.Text(), "\r")
		}
	}()
	return l
}

func (l *lines) await(t *testing.T, want string) {
	t.Helper()
	end := time.After(limit)
	for {
		select {
		case s, ok := <-l.ch:
			if !ok {
				t.Fatalf("it ended before it said %q: %q", want, l.seen)
			}
			l.seen = append(l.seen, s)
			if strings.Contains(s, want) {
				return
			}
		case <-end:
			t.Fatalf("it does not say %q: %q", want, l.seen)
		}
	}
}

// Commands one after another, and several at once, where nothing is up: the
// keeper ends after each, and the next must not meet it while it does.
func TestManyShortCommands(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("short")
		for range 12 {
			var all []*process
			for range 3 {
				all = append(all, p.start("exec", "--", "echo", "done"))
			}
			for _, q := range all {
				if r := q.wait(); r.code != 0 || r.stdout != "done\n" || r.stderr != "" {
					t.Errorf("exec: %v", r)
				}
			}
		}
	})
}

// A command whose keeper is killed ended with it: it is not run a second time.
func TestRunKeeperKilled(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("once")
		for _, verb := range []string{"run", "exec"} {
			q := p.start(verb, "--", "sh", "-c", "echo begins; exec sleep 1000")
			awaitOutput(t, q, "begins\n")
			keepers := e.lodges("keeper")
			if len(keepers) != 1 {
				t.Fatalf("keepers: %v", keepers)
			}
			if err := syscall.Kill(keepers[0].pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			r := q.wait()
			if r.code != 1 || r.stdout != "begins\n" || !strings.Contains(r.stderr, "its keeper has ended") || !strings.Contains(r.stderr, "(hint: ") {
				t.Errorf("%s whose keeper is killed: %v", verb, r)
			}
		}
	})
}
