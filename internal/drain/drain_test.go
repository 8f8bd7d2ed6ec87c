package drain

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// TestLastWords: what a process printed before its end is there when its end is
// looked at, also where nobody has read it until then.
func TestLastWords(t *testing.T) {
	for name, open := range map[string]func() (r, w *os.File, err error){"pipe": os.Pipe, "terminal": openRaw, "received": received} {
		t.Run(name, func(t *testing.T) {
			r, w, err := open()
			if err != nil {
				t.Fatal(err)
			}
			var got buffer
			s, err := New(r, &got)
			if err != nil {
				t.Fatal(err)
			}
			var want string
			say := func(text string) {
				t.Helper()
				want += text
				if _, err := w.WriteString(text); err != nil {
					t.Fatal(err)
				}
			}
			check := func(after string) {
				t.Helper()
				if g := got.String(); g != want {
					t.Errorf("after %s: %q, want %q", after, g, want)
				}
			}
			for i := range 10 {
				say(fmt.Sprintf("line %d\n", i))
			}
			s.Drain()
			check("a drain that nothing else reads beside")
			copied := make(chan error, 1)
			go func() { copied <- s.Copy() }()
			say("the end\n")
			s.Drain()
			check("a drain beside Copy")
			say("and after\n")
			s.Finish() // the other end is open still
			check("the end")
			if err := <-copied; err != nil {
				t.Error(err)
			}
			_ = w.Close()
		})
	}
}

// TestSlowReader: whoever takes the output may be slow: all that was in the pipe
// at the end arrives.
func TestSlowReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(r, out)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Copy() }()
	want := strings.Repeat("0123456789abcde\n", 7<<10) // both pipes, less the buffer between them
	if _, err := w.WriteString(want); err != nil {
		t.Fatal(err)
	}
	// Copy waits for the reader; meanwhile the time of Finish passes.
	s.stop.Store(true)
	var got bytes.Buffer
	read := make(chan error, 1)
	go func() { _, err := got.ReadFrom(in); read <- err }()
	<-s.copied
	s.Finish()
	_ = out.Close()
	_ = w.Close()
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("%d bytes of %d", got.Len(), len(want))
	}
}

// TestWriterFails: Copy tells of it, and nothing waits.
func TestWriterFails(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s, err := New(r, failing{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if err := s.Copy(); !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
	s.Finish()
}

// openRaw opens a terminal that leaves line ends as they are.
func openRaw() (master, slave *os.File, err error) {
	if master, slave, err = pty.Open(); err != nil {
		return nil, nil, err
	}
	t, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err == nil {
		t.Oflag &^= unix.OPOST
		err = unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, t)
	}
	return master, slave, err
}

// received is a terminal whose descriptor came from another process: in blocking
// mode, and not in the runtime's poller.
func received() (master, slave *os.File, err error) {
	if master, slave, err = openRaw(); err != nil {
		return nil, nil, err
	}
	defer master.Close()
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 0) // Fd sets the mode
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fd), "received"), slave, nil
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrPermission }

// buffer may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
