package tap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
	"lodge/internal/decode"
	"lodge/internal/tap"
)

// slowOut takes a minute for each record.
type slowOut struct{ records int }

func (o *slowOut) record(x *tap.Record) error {
	time.Sleep(time.Minute)
	o.records++
	return nil
}

func (o *slowOut) flush() error             { return nil }
func (o *slowOut) close(*tap.Account) error { return nil }

// TestShownOfFile holds that nothing of a file is left out where standard output is read
// slowly, that what waits is bounded, and that the user can end it.
func TestShownOfFile(t *testing.T) {
	record := func(n int) *tap.Record {
		return &tap.Record{Number: 1, Exchange: &decode.Exchange{Request: decode.Message{Body: make([]byte, n)}}}
	}
	synctest.Test(t, func(t *testing.T) {
		var out slowOut
		s := newShown(t.Context(), t.Context(), &out, true, func(err error) { t.Error(err) })
		for range 40 {
			if err := s.record(record(4 << 20)); err != nil {
				t.Fatal(err)
			}
			if n := s.bytes.Load(); n > maxShownBytes {
				t.Fatalf("%d bytes wait", n)
			}
		}
		_ = s.record(record(2 * maxShownBytes)) // alone
		if dropped, whole := s.drain(); dropped != 0 || !whole || out.records != 41 {
			t.Errorf("%d records, %d left out, whole %v", out.records, dropped, whole)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var out slowOut
		ctx, cancel := context.WithCancel(t.Context())
		s := newShown(ctx, ctx, &out, true, func(err error) { t.Error(err) })
		for range 3 {
			_ = s.record(record(1))
		}
		cancel()
		if dropped, whole := s.drain(); dropped != 3 || whole {
			t.Errorf("after Ctrl-C: %d left out, whole %v", dropped, whole)
		}
		<-s.ended
	})
	synctest.Test(t, func(t *testing.T) {
		var out slowOut
		s := newShown(t.Context(), t.Context(), &out, false, func(err error) { t.Error(err) })
		for range 3 {
			_ = s.record(record(1))
		}
		synctest.Wait()
		if dropped, whole := s.drain(); dropped != 0 || !whole {
			t.Errorf("live: %d left out, whole %v", dropped, whole)
		}
	})
}

// gate is an output of which nothing is read before it is opened.
type gate struct {
	open  chan struct{}
	taken int
}

func (g *gate) record(*tap.Record) error { <-g.open; g.taken++; return nil }
func (g *gate) flush() error             { return nil }
func (g *gate) close(*tap.Account) error { return nil }

func noError(t *testing.T) func(error) {
	return func(err error) { t.Error(err) }
}

// What is read slowly is read to its end, by a pager too: only a signal ends the wait.
func TestSlowReaderGetsAll(t *testing.T) {
	for _, waits := range []bool{true, false} {
		g := &gate{open: make(chan struct{})}
		s := newShown(t.Context(), t.Context(), g, waits, noError(t))
		const n = 5
		for i := range n {
			if err := s.record(&tap.Record{Number: uint64(i + 1)}); err != nil {
				t.Fatal(err)
			}
		}
		defer time.AfterFunc(2*lastWords, func() { close(g.open) }).Stop()
		if dropped, whole := s.drain(); dropped != 0 || !whole || g.taken != n {
			t.Errorf("waits %v: dropped %d, whole %v, %d of %d taken", waits, dropped, whole, g.taken, n)
		}
	}
}

func TestSignalEndsTheWait(t *testing.T) {
	interrupted, interrupt := context.WithCancel(t.Context())
	g := &gate{open: make(chan struct{})}
	s := newShown(interrupted, interrupted, g, false, noError(t))
	const n = 5
	for i := range n {
		_ = s.record(&tap.Record{Number: uint64(i + 1)}) // it has no errors
	}
	interrupt()
	if dropped, whole := s.drain(); dropped == 0 || dropped > n || whole {
		t.Errorf("dropped %d, whole %v", dropped, whole)
	}
	close(g.open)
	<-s.ended
}

// A connection that is followed does not hold up the end of the run.
func TestSignalEndsFollowing(t *testing.T) {
	interrupted, interrupt := context.WithCancel(t.Context())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var failed []error
	f := newFollower(interrupted, w, 1, func(err error) { failed = append(failed, err) })
	interrupt()
	for range 1000 { // more than a pipe and the queue take
		f.bytes()(1, decode.Client, time.Now(), bytes.Repeat([]byte("x"), 4096))
	}
	if len(failed) == 0 || !f.seen {
		t.Error("nothing is said of what was not printed")
	}
	w.Close() // what waits in the goroutine ends
	<-closing(f)
}

func closing(f *follower) <-chan struct{} {
	done := make(chan struct{})
	go func() { defer close(done); f.close() }()
	return done
}

// No file is changed or left behind by a run that does not begin.
func TestOutputsOfNoRun(t *testing.T) {
	dir := t.TempDir()
	old, made := filepath.Join(dir, "old.jsonl"), filepath.Join(dir, "new.har")
	if err := os.WriteFile(old, []byte("old\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.jsonl")
	if err := os.Link(old, link); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo.jsonl")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		last string
		code int
		says string
	}{
		{filepath.Join(dir, "none", "x.jsonl"), kit.ExitNotDone, "make its directory first"},
		{dir + "/./old.jsonl", kit.ExitUsage, "which is given too"},
		{link, kit.ExitUsage, "which is given too"},
		{fifo, kit.ExitNotDone, "no program reads it (hint: start the program that reads it first)"},
	} {
		code, _, stderr := tapCommand(t, nil, "-r", "main.pcapng", "-o", old, "-o", made, "-o", c.last)
		if code != c.code || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: %d, %s", c.last, code, stderr)
		}
		if b, err := os.ReadFile(old); err != nil || string(b) != "old\n" {
			t.Errorf("%s: old.jsonl has %q, %v", c.last, b, err)
		}
		if fi, err := os.Stat(old); err != nil || fi.Mode().Perm() != 0o644 {
			t.Errorf("%s: old.jsonl: %v, %v", c.last, fi, err)
		}
		if _, err := os.Lstat(made); err == nil {
			t.Errorf("%s: new.har is left", c.last)
		}
	}
}

// A pipe that another user has planted gets nothing.
func TestPipeOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes a file of another user")
	}
	fifo := filepath.Join(t.TempDir(), "fifo.jsonl")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Chown(fifo, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := tapCommand(t, nil, "-r", "main.pcapng", "-o", fifo); code != kit.ExitNotDone || !strings.Contains(stderr, "it belongs to user 65534") {
		t.Errorf("%d, %s", code, stderr)
	}
	if n, _ := r.Read(make([]byte, 1)); n > 0 {
		t.Error("something was written")
	}
}

// The hint for what people take for a capture is the command that reads it.
func TestForeignFilesHaveHints(t *testing.T) {
	for text, hint := range map[string]string{
		"\x1f\x8b\x08\x00": "zcat ", "\x28\xb5\x2f\xfd\x00": "zstdcat ", `{"log":{"version":"1.2"}}`: "its lines are not those of lodge tap --json", "": "may not have begun",
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := tapCommand(t, nil, "-r", path); code != kit.ExitNotDone || !strings.Contains(stderr, "(hint: ") || !strings.Contains(stderr, hint) {
			t.Errorf("%q: %d, %s", text, code, stderr)
		}
	}
	if code, _, stderr := tapCommand(t, nil, "-r", "main.pcapng", "--duration", "1s"); code != kit.ExitUsage || !strings.Contains(stderr, "lodge tap -r main.pcapng -n 100") {
		t.Errorf("--duration with --read: %d, %s", code, stderr)
	}
}

// A signal ends a run that reads a pipe to which nothing is written, also one that has no
// writer yet, and its files are whole.
func TestSignalEndsReadingAPipe(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo.pcap")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() {
		_, err := (&pipe{ctx, f}).Read(make([]byte, 10))
		got <- err
	}()
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// What is written is read, by and by.
	done := make(chan string, 1)
	go func() {
		b, err := io.ReadAll(&pipe{t.Context(), f})
		done <- fmt.Sprint(string(b), err)
	}()
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a", "b"} {
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	if text := <-done; text != "ab<nil>" {
		t.Error(text)
	}
}

// The lines that a tap writes are read again: the same records, and the same account.
func TestLinesAreReadAgain(t *testing.T) {
	code, want, _ := tapCommand(t, nil, "-r", "main.jsonl", "--json")
	recorded, err := os.ReadFile("testdata/diff/main.jsonl")
	if err != nil || code != kit.ExitDone || want != string(recorded) {
		t.Errorf("%d, %v, got\n%s\nwant\n%s", code, err, want, recorded)
	}
	_, some, _ := tapCommand(t, nil, "-r", "main.jsonl", "method=POST", "--json")
	_, same, _ := tapCommand(t, nil, "-r", "main.pcapng", "method=POST", "--json")
	if n := strings.Count(some, "\n"); n < 2 || n != strings.Count(same, "\n") {
		t.Errorf("of lines\n%s\nof packets\n%s", some, same)
	}
	for _, args := range []string{"--follow 1 --secrets", "--keylog x.log", "-o x.pcapng"} {
		code, _, stderr := tapCommand(t, nil, append([]string{"-r", "main.jsonl"}, strings.Fields(args)...)...)
		if code == kit.ExitDone || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "(hint: ") {
			t.Errorf("%s: %d, %s", args, code, stderr)
		}
	}
	cut := filepath.Join(t.TempDir(), "cut.jsonl")
	if err := os.WriteFile(cut, recorded[:len(recorded)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	code, got, stderr := tapCommand(t, nil, "-r", cut, "--json")
	if code != kit.ExitNotDone || !strings.Contains(got, `"complete":false`) || !strings.HasPrefix(want, got[:len(got)/3]) || !strings.Contains(stderr, "what is whole was read") {
		t.Errorf("%d, %s\n%s", code, stderr, got)
	}
}
