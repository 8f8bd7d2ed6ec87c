package helper

import (
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
)

// socketPair returns two connected sockets.
func socketPair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		conns[i], err = helperapi.FromFile(os.NewFile(uintptr(fd), "pair"))
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _, _ = conns[0].Close(), conns[1].Close() })
	return conns[0], conns[1]
}

// patience bounds what a test waits for.
const patience = time.Minute
