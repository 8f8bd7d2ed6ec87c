package explain

import (
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A Unix socket whose queue is full fails with EAGAIN, and one of another type
// with EPROTOTYPE.
func TestUnixQueueAndType(t *testing.T) {
	dir := t.TempDir()
	full, datagram := filepath.Join(dir, "full.sock"), filepath.Join(dir, "datagram.sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: full}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", full)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	d, err := net.ListenPacket("unixgram", datagram)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	for text, code := range map[string]Code{
		"connect() to unix:" + full + " failed (11: Resource temporarily unavailable) while connecting to upstream, client: 127.0.0.1, host: \"127.0.0.1:80\"": BacklogFull,
		"Error: connect EAGAIN " + full:                                       BacklogFull,
		"dial unix " + datagram + ": connect: protocol wrong type for socket": WrongType,
	} {
		_, r := explained(t, text)
		if len(r.Causes) != 1 || r.Causes[0].Code != code || r.Unix == nil {
			t.Errorf("%s: %+v, want %s", text, r.Causes, code)
		}
		wants(t, r, self(t))
	}
	_, r := explained(t, "Error: connect EAGAIN "+full)
	if r.Causes[0].Evidence[0].Limit == nil || r.Causes[0].Evidence[0].Limit.Used != 1 {
		t.Errorf("%+v", r.Causes)
	}
}
