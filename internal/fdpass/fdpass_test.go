package fdpass

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func pair(t *testing.T, kind int) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
		t.Cleanup(func() { _ = c.Close() })
	}
	return conns[0], conns[1]
}

// pipes returns n write ends, and a function that waits until every copy of
// them is closed.
func pipes(t *testing.T, n int) (ends []*os.File, closed func()) {
	t.Helper()
	var readers []*os.File
	for range n {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		readers, ends = append(readers, r), append(ends, w)
		t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	}
	return ends, func() {
		t.Helper()
		for _, r := range readers {
			if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("a descriptor is left open: %v", err)
			}
		}
	}
}

func TestPassed(t *testing.T) {
	for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_SEQPACKET} {
		a, b := pair(t, kind)
		ends, closed := pipes(t, 3)
		if n, err := Write(a, []byte("hi"), ends); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		// What was sent stays the sender's, and keeps its mode.
		raw, err := ends[0].SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var flags int
		var ferr error
		if err := raw.Control(func(fd uintptr) { flags, ferr = unix.FcntlInt(fd, unix.F_GETFL, 0) }); err != nil || ferr != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("flags %x, %v, %v: sending made it blocking", flags, err, ferr)
		}
		if err := Close(ends); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 10)
		n, files, err := Read(b, buf, 4)
		if n != 2 || len(files) != 3 || err != nil {
			t.Fatal(n, files, err)
		}
		for _, f := range files {
			if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("flags %x, %v: programs would inherit it", flags, err)
			}
		}
		if err := Close(files); err != nil {
			t.Error(err)
		}
		closed()
		_ = a.Close()
		if n, files, err := Read(b, buf, 4); n != 0 || len(files) != 0 || err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %d, %v, %v", n, files, err)
		}
	}
}

func TestNothingLeaksOnErrors(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		files int
		want  error
	}{
		"one descriptor too many":   {"x", 3, ErrTooMany},
		"many too many":             {"x", 40, ErrTooMany},
		"a packet that is too long": {"more than eight bytes", 2, ErrTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, unix.SOCK_SEQPACKET)
			ends, closed := pipes(t, c.files)
			if _, err := Write(a, []byte(c.text), ends); err != nil {
				t.Fatal(err)
			}
			if err := Close(ends); err != nil {
				t.Fatal(err)
			}
			_, files, err := Read(b, make([]byte, 8), 2)
			if !errors.Is(err, c.want) || len(files) > 0 {
				t.Errorf("%v, %v; want %v", files, err, c.want)
			}
			closed()
		})
	}
}

func TestClosedFileIsNotSent(t *testing.T) {
	a, _ := pair(t, unix.SOCK_STREAM)
	ends, _ := pipes(t, 1)
	_ = ends[0].Close()
	if _, err := Write(a, []byte("x"), ends); err == nil {
		t.Error("a closed file was sent")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(unix.UnixRights(0, 1))
	f.Add([]byte{16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		// Numbers that a fuzzer wrote are no descriptors: only look at them.
		if fds, err := Decode(b); err != nil && fds != nil {
			t.Errorf("%v with %v", fds, err)
		}
	})
}
