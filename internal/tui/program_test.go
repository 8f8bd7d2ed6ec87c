package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"lodge/internal/localapi"
	"lodge/internal/logs"
	"lodge/internal/sockets"
	"lodge/internal/tui/view"
)

// patience is how long a screen may take: far more than it does.
const patience = 30 * time.Second

// TestMain also is a program that shows top, of a machine that is made up.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "show-top" {
		os.Exit(showTop(os.Args[2]))
	}
	os.Exit(m.Run())
}

func showTop(mode string) int {
	sig := make(chan os.Signal, 8)
	signal.Notify(sig, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGTSTP)
	src := &madeUp{mode: mode}
	opt := Options{View: "projects", Interval: 20 * time.Millisecond, ParseFilter: func(string) (view.Match, error) {
		if mode == "panic in a key" {
			panic("mistake in the filter")
		}
		return func(*sockets.Row) bool { return true }, nil
	}}
	err := Run(context.Background(), src, opt, Terminal{In: os.Stdin, Out: os.Stdout, Signals: sig, CanSuspend: func() bool { return false }})
	var s *Stopped
	switch {
	case errors.As(err, &s):
		fmt.Println("exit: stopped:", s.Signal)
		return 3
	case err != nil:
		fmt.Println("exit: error:", strings.SplitN(err.Error(), "\n", 2)[0])
		return 4
	}
	fmt.Println("exit: quit")
	return 0
}

// madeUp is the machine of shopFrame, with time going by.
type madeUp struct {
	mode string

	mu sync.Mutex // guards n
	n  int
}

func (m *madeUp) Frame(context.Context) (*view.Frame, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	switch {
	case m.mode == "panic in the source" && m.n > 3:
		panic("mistake in the source")
	case m.mode == "error" && m.n%2 == 0:
		return nil, errors.New("list sockets: no memory")
	}
	return shopFrame(m.n), nil
}

func (m *madeUp) Explain(ctx context.Context, address string) (string, error) {
	if m.mode == "slow" {
		<-ctx.Done() // when nobody waits any more
		return "", ctx.Err()
	}
	return "here is " + address, nil
}

func (m *madeUp) Logs(ctx context.Context, _ localapi.Project, service string, each func(logs.Line) error) error {
	for i := range 20000 {
		if err := each(logs.Line{Time: at0, Service: service, Text: fmt.Sprintf("line %d of %s", i, service)}); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (m *madeUp) End(_ context.Context, p *sockets.Process, hard bool) (bool, error) {
	return hard, nil
}

// shown is a program on a terminal.
type shown struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File
	before unix.Termios
	exit   chan error
	wg     sync.WaitGroup

	mu     sync.Mutex // guards what follows
	out    []byte     // all that was written
	screen *vt.Emulator
}

func startTop(t *testing.T, mode string) *shown {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	s := &shown{t: t, master: master, slave: slave, before: termios(t, slave), exit: make(chan error, 1), screen: vt.NewEmulator(80, 24)}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(exe, "show-top", mode)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.exit <- s.cmd.Wait() }()
	s.wg.Go(func() {
		b := make([]byte, 64<<10)
		for {
			n, err := master.Read(b)
			s.mu.Lock()
			s.out = append(s.out, b[:n]...)
			_, _ = s.screen.Write(b[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	s.wg.Go(func() { // what the terminal answers to questions
		b := make([]byte, 1024)
		for {
			n, err := s.screen.Read(b)
			_, _ = master.Write(b[:n])
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = slave.Close()
		_ = master.Close()
		if p, ok := s.screen.InputPipe().(io.Closer); ok {
			_ = p.Close() // ends its Read; Close itself is no match for a Read
		}
		s.wg.Wait()
	})
	return s
}

func termios(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	x, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *x
}

// text is the screen as a person sees it now.
func (s *shown) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.String()
}

func (s *shown) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.out)
}

// await waits until the screen has all of these.
func (s *shown) await(want ...string) {
	s.t.Helper()
	missing := func() int {
		text := s.text()
		return slices.IndexFunc(want, func(w string) bool { return !strings.Contains(text, w) })
	}
	if !s.until(func() bool { return missing() < 0 }) {
		s.t.Fatalf("not all of %q is shown; the screen is\n%s", want, s.text())
	}
}

// until looks again and again, and reports whether it became so.
func (s *shown) until(so func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		if so() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

func (s *shown) keys(k string) {
	s.t.Helper()
	if _, err := s.master.WriteString(k); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shown) resize(w, h int) {
	s.t.Helper()
	s.mu.Lock()
	s.screen.Resize(w, h)
	s.mu.Unlock()
	if err := pty.Setsize(s.master, &pty.Winsize{Rows: uint16(h), Cols: uint16(w)}); err != nil {
		s.t.Fatal(err)
	}
}

// ended waits for the end and looks whether the terminal is as it was.
func (s *shown) ended(wantCode int, wantText string) {
	s.t.Helper()
	select {
	case <-s.exit:
		s.exit <- nil
	case <-time.After(patience):
		s.t.Fatalf("it goes on; the screen is\n%s", s.text())
	}
	if got := s.cmd.ProcessState.ExitCode(); got != wantCode {
		s.t.Errorf("status %d, want %d; the terminal got %q", got, wantCode, tail(s.written()))
	}
	s.await(wantText)
	if got := termios(s.t, s.slave); got != s.before {
		s.t.Errorf("the terminal's modes are %+v, were %+v", got, s.before)
	}
	out := s.written()
	// Alternate screen, cursor, bracketed paste (xterm's ctlseqs, DECSET).
	for _, m := range []struct {
		mode    string
		restore string
		set     string
	}{{"alternate screen", "\x1b[?1049l", "\x1b[?1049h"}, {"hidden cursor", "\x1b[?25h", "\x1b[?25l"}, {"bracketed paste", "\x1b[?2004l", "\x1b[?2004h"}, {"lines that do not wrap", "\x1b[?7h", "\x1b[?7l"}} {
		if set, restored := strings.LastIndex(out, m.set), strings.LastIndex(out, m.restore); set < 0 || restored < set {
			s.t.Errorf("%s: set at %d, taken back at %d, in %q", m.mode, set, restored, tail(out))
		}
	}
	if i, j := strings.LastIndex(out, "\x1b[?1049l"), strings.LastIndex(out, wantText); j < i {
		s.t.Errorf("%q is written on the screen that goes away", wantText)
	}
}

func tail(s string) string { return s[max(0, len(s)-600):] }

func TestTerminalIsRestored(t *testing.T) {
	for _, c := range []struct {
		name, mode string
		do         func(*shown)
		code       int
		text       string
	}{
		{"q", "", func(s *shown) { s.keys("q") }, 0, "exit: quit"},
		{"Ctrl-C", "", func(s *shown) { s.keys("\x03") }, 0, "exit: quit"},
		{"SIGTERM", "", func(s *shown) { _ = s.cmd.Process.Signal(unix.SIGTERM) }, 3, "exit: stopped: terminated"},
		{"SIGHUP", "", func(s *shown) { _ = s.cmd.Process.Signal(unix.SIGHUP) }, 3, "exit: stopped: hangup"},
		{"SIGINT", "", func(s *shown) { _ = s.cmd.Process.Signal(unix.SIGINT) }, 3, "exit: stopped: interrupt"},
		{"panic in the source", "panic in the source", func(*shown) {}, 4, "exit: error: show top: a mistake in lodge itself"},
		{"panic in a key", "panic in a key", func(s *shown) { s.keys("/x") }, 4, "exit: error: show top: a mistake in lodge itself"},
		{"quit while it looks", "slow", func(s *shown) { s.keys("e"); s.await("looking"); s.keys("\x03") }, 0, "exit: quit"},
		{"quit while lines come", "", func(s *shown) { s.keys("\x1b[Bl"); s.await("following"); s.keys("\x03") }, 0, "exit: quit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := startTop(t, c.mode)
			s.await("lodge top")
			s.await("shop")
			c.do(s)
			s.ended(c.code, c.text)
		})
	}
}

func TestOnATerminal(t *testing.T) {
	t.Parallel()
	s := startTop(t, "")
	s.await("backoff")
	s.keys("3")
	s.await("firefox[1200]", "3 CONNECTIONS")
	s.await("250k")    // from the second reading on
	s.keys("\x1b[B\r") // down, enter
	s.await("here is 10.0.0.2:80")
	s.keys("q1\x1b[Fl")
	s.await("line 19999 of web", "logs of shop/web")
	s.keys("qK")
	s.await("end node[412]? y/N")
	s.keys("y")
	s.await("goes on: end it with KILL")
	s.keys("y")
	s.await("has ended")
	s.keys("\x1a")
	s.await("cannot be suspended")
	s.keys("2")
	s.await("日本語サーバー[555]", "evil?[2J??name[666]")
	s.resize(30, 5)
	s.await("too small: 30x5")
	s.resize(120, 40)
	s.await("ADDRESS", "日本語サーバー[555]")
	want, err := os.ReadFile("testdata/terminal-120x40.txt")
	if err != nil {
		t.Fatal(err)
	}
	// It is painted in pieces: what counts is how it ends.
	s.until(func() bool { return settled(s.text()) == string(want) })
	golden(t, "terminal-120x40.txt", settled(s.text()))
	s.keys("q")
	s.ended(0, "exit: quit")
}

// settled takes out of a screen what differs from one reading to the next.
func settled(text string) string {
	var b strings.Builder
	for i, l := range strings.Split(text, "\n") {
		if i == 0 {
			l = "(the time and the counts)"
		}
		b.WriteString(strings.TrimRight(l, " ") + "\n")
	}
	return b.String()
}

// A reading that fails is told, and what was read stays.
func TestReadingFails(t *testing.T) {
	t.Parallel()
	s := startTop(t, "error")
	s.await("list sockets: no memory")
	s.await("backoff")
	s.keys("q")
	s.ended(0, "exit: quit")
}

// The terminal that goes away ends top.
func TestHangup(t *testing.T) {
	t.Parallel()
	s := startTop(t, "")
	s.await("shop")
	_ = s.slave.Close()
	_ = s.master.Close()
	select {
	case <-s.exit:
		s.exit <- nil
	case <-time.After(patience):
		t.Fatal("it goes on without a terminal")
	}
}
