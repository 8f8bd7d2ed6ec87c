package unixsock

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const nobody = 65534

// asNobody calls f on a thread of that user, so that the kernel notes it as
// the one who listens or connects. The thread ends with it.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is of no further use
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			done <- errno
			return
		}
		f()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// openDir returns a directory in which another user may make a socket.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "us")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestListenAndDial(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{openDir(t), long} {
		path := filepath.Join(dir, "s")
		ln, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Lstat(path); err != nil || fi.Mode().Perm() != 0o600 || fi.Mode()&os.ModeSocket == 0 {
			t.Errorf("%v, %v", fi.Mode(), err)
		}
		c, err := Dial(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ln.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		cred, err := Peer(s)
		if err != nil || int(cred.Pid) != os.Getpid() || int(cred.Uid) != os.Getuid() || !SameUser(s) {
			t.Errorf("peer: %+v, %v", cred, err)
		}
		if _, err := Listen(path); !errors.Is(err, ErrInUse) {
			t.Errorf("a second one: %v", err)
		}
		_, _, _ = c.Close(), s.Close(), ln.Close()
		if _, err := Peer(s); err == nil {
			t.Error("a closed one has a peer")
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("the file is the caller's to remove: %v", err)
		}
		// Now it is stale.
		if _, err := Dial(context.Background(), path); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("a stale one: %v", err)
		}
		ln, err = Listen(path)
		if err != nil {
			t.Fatalf("in the place of a stale one: %v", err)
		}
		_ = ln.Close()
	}
	if _, err := Dial(context.Background(), filepath.Join(long, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
	if _, err := Dial(context.Background(), filepath.Join(long, "no", "dir")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestListenRemovesOnlySockets(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, dir} {
		if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "no socket") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, err := os.ReadFile(link); err != nil || string(b) != "mine" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Listen(filepath.Join(dir, "no", "dir")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// A socket that does not answer for now is not a stale one.
func TestListenLeavesABusySocket(t *testing.T) {
	path := filepath.Join(openDir(t), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 8 { // until its queue is full
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer c.Close()
	}
	if _, err := Listen(path); err == nil {
		t.Fatal("taken from who has it")
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestAnotherUserListens(t *testing.T) {
	path := filepath.Join(openDir(t), "s")
	var ln *net.UnixListener
	asNobody(t, func() {
		var err error
		if ln, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}); err != nil {
			t.Error(err)
		}
	})
	if ln == nil {
		return
	}
	defer ln.Close()
	_, err := Dial(context.Background(), path)
	if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "(user 65534)") || strings.Contains(err.Error(), "\n") {
		t.Errorf("dial: %v", err)
	}
	if _, err := DialUser(context.Background(), path, nobody-1); !errors.Is(err, ErrForeign) {
		t.Errorf("dial a third user: %v", err)
	}
	if c, err := DialUser(context.Background(), path, nobody); err != nil {
		t.Errorf("dial that user: %v", err)
	} else {
		_ = c.Close()
	}
	if _, err := Listen(path); !errors.Is(err, ErrForeign) {
		t.Errorf("listen: %v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("its socket was removed: %v", err)
	}
}

func TestAnotherUserConnects(t *testing.T) {
	path := filepath.Join(openDir(t), "s")
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := os.Chmod(path, 0o666); err != nil { // as if its mode did not protect it
		t.Fatal(err)
	}
	var c net.Conn
	asNobody(t, func() {
		if c, err = net.Dial("unix", path); err != nil {
			t.Error(err)
		}
	})
	if c == nil {
		return
	}
	defer c.Close()
	s, err := ln.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if SameUser(s) {
		t.Error("let in")
	}
}
