package keeperapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func pair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		out[i] = c.(*net.UnixConn)
	}
	return out[0], out[1]
}

// numbered returns files that tell by their content which they are.
func numbered(t testing.TB, n int) []*os.File {
	t.Helper()
	var out []*os.File
	for i := range n {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err == nil {
			_, err = fmt.Fprint(f, i)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		out = append(out, f)
	}
	return out
}

// whichOf reads which files came.
func whichOf(t testing.TB, files []*os.File) string {
	t.Helper()
	var out []string
	for _, f := range files {
		b := make([]byte, 8)
		n, err := f.ReadAt(b, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		out = append(out, string(b[:n]))
	}
	return strings.Join(out, ",")
}

func TestDescriptorsComeWithTheirMessage(t *testing.T) {
	a, b := pair(t)
	w, r := &Wire{Conn: a}, &Wire{Conn: b}
	defer w.Close()
	defer r.Close()
	files := numbered(t, 3)
	// All is written before anything is read, so that reads hold several messages.
	for i, fs := range [][]*os.File{nil, files[:1], nil, files[1:3], nil} {
		if err := w.Write(Signal{Signal: i + 1}, fs...); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"", "0", "", "1,2", ""} {
		var s Signal
		got, err := r.Read(&s)
		if err != nil || s.Signal != i+1 || whichOf(t, got) != want {
			t.Errorf("message %d: %+v with %q, %v, want %q", i+1, s, whichOf(t, got), err, want)
		}
		CloseAll(got)
	}
}

func TestMessagesInAnyPieces(t *testing.T) {
	const text = `{"signal":1}` + "\n" + `{"signal":2}` + "\n" + `{"signal":3}` + "\n"
	for size := 1; size <= len(text); size++ {
		a, b := pair(t)
		r := &Wire{Conn: b}
		done := make(chan error, 1)
		go func() {
			defer a.Close()
			for rest := []byte(text); len(rest) > 0; {
				n := min(size, len(rest))
				if _, err := a.Write(rest[:n]); err != nil {
					done <- err
					return
				}
				rest = rest[n:]
			}
			done <- nil
		}()
		for i := 1; i <= 3; i++ {
			var s Signal
			if _, err := r.Read(&s); err != nil || s.Signal != i {
				t.Fatalf("pieces of %d: message %d is %+v, %v", size, i, s, err)
			}
		}
		var s Signal
		if _, err := r.Read(&s); !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v", err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		r.Close()
	}
}

func TestALongMessageWithDescriptors(t *testing.T) {
	a, b := pair(t)
	w, r := &Wire{Conn: a}, &Wire{Conn: b}
	defer w.Close()
	defer r.Close()
	long := strings.Repeat("x", 3<<20)
	done := make(chan error, 1)
	go func() {
		err := w.Write(Request{Op: "one"})
		if err == nil {
			err = w.Write(Request{Op: long}, numbered(t, 2)...)
		}
		if err == nil {
			err = w.Write(Request{Op: "three"})
		}
		done <- err
	}()
	for i, want := range []struct{ op, files string }{{"one", ""}, {long, "0,1"}, {"three", ""}} {
		var q Request
		files, err := r.Read(&q)
		if err != nil || q.Op != want.op || whichOf(t, files) != want.files {
			t.Errorf("message %d: %d bytes with %q, %v", i, len(q.Op), whichOf(t, files), err)
		}
		CloseAll(files)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestBadMessages(t *testing.T) {
	for _, c := range []struct {
		name, text string
		files      int
		want       string
	}{
		{"no JSON", "hello\n", 1, "read message: invalid character"},
		{"another type", "[1,2]\n", 2, "read message: json: cannot unmarshal"},
		{"two values", `{"op":"a"}{"op":"b"}` + "\n", 0, "read message: invalid character"},
		{"half a message", `{"op":"sta`, 1, "EOF"},
		{"nothing", "", 0, "EOF"},
		{"an empty line", "\n", 1, "read message: unexpected end of JSON input"},
		{"too many descriptors", `{"op":"status"}` + "\n", maxFiles + 5, "more than 8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := numbered(t, c.files)
			before := descriptors(t)
			a, b := pair(t)
			r := &Wire{Conn: b}
			fds := make([]int, 0, len(files))
			for _, f := range files {
				fds = append(fds, int(f.Fd()))
			}
			if c.text != "" {
				if _, _, err := a.WriteMsgUnix([]byte(c.text), unix.UnixRights(fds...), nil); err != nil {
					t.Fatal(err)
				}
			}
			_ = a.Close()
			var q Request
			got, err := r.Read(&q)
			if err == nil || !strings.Contains(err.Error(), c.want) || len(got) > 0 {
				t.Errorf("got %v, %v, want %q", got, err, c.want)
			}
			r.Close()
			if n := descriptors(t); n != before {
				t.Errorf("%d descriptors before, %d after", before, n)
			}
		})
	}
}

func TestAFloodIsRefused(t *testing.T) {
	a, b := pair(t)
	r := &Wire{Conn: b}
	go func() {
		defer a.Close()
		chunk := bytes.Repeat([]byte{'x'}, 1<<20)
		for {
			if _, err := a.Write(chunk); err != nil {
				return
			}
		}
	}()
	var q Request
	if _, err := r.Read(&q); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("got %v", err)
	}
	r.Close()
}

func TestWriteAfterTheEnd(t *testing.T) {
	a, b := pair(t)
	_ = b.Close()
	w := &Wire{Conn: a}
	defer w.Close()
	if err := w.Write(Signal{}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("got %v", err)
	}
	closed := numbered(t, 1)[0]
	_ = closed.Close()
	if err := w.Write(Signal{}, closed); err == nil {
		t.Error("a closed file was passed")
	}
}

// Whatever comes, in whatever pieces, with descriptors wherever: no panic, no
// line lost or made up, no descriptor left open.
func FuzzWire(f *testing.F) {
	f.Add([]byte("{\"op\":\"status\"}\n{\"op\":\"x\"}\n"), uint8(3), uint8(1))
	f.Add([]byte("\n\n{}\n[]\nnull\n\xff\xfe\n"), uint8(1), uint8(0))
	f.Add([]byte(`{"exec":{"argv":["a"],"rows":70000}}`+"\n"), uint8(200), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, piece, every uint8) {
		if len(data) > 4096 {
			return
		}
		size := int(piece)%64 + 1
		lines := bytes.Count(data, []byte{'\n'})
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		before := descriptors(t)
		a, b := pair(t)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			defer a.Close()
			for i := 0; len(data) > 0; i++ {
				var oob []byte
				if every > 0 && i%int(every) == 0 {
					oob = unix.UnixRights(int(null.Fd()), int(null.Fd()))
				}
				n := min(size, len(data))
				if _, _, err := a.WriteMsgUnix(data[:n], oob, nil); err != nil {
					return // the reader had enough
				}
				data = data[n:]
			}
		}()
		r := &Wire{Conn: b}
		got := 0
		for {
			var q Request
			files, err := r.Read(&q)
			CloseAll(files)
			if err != nil && !strings.HasPrefix(err.Error(), "read message") {
				break
			}
			got++
		}
		r.Close()
		<-sent
		if got != lines {
			t.Errorf("%d lines were sent, %d came", lines, got)
		}
		// Others of this process may come and go meanwhile: a leak stays.
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			n := descriptors(t)
			if n <= before {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%d descriptors before, %d after", before, n)
			}
		}
	})
}

// descriptors counts those that are open.
func descriptors(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}
