package bpf

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"lodge/internal/decode"
)

// TestUnixTapLoss: rings of one page that are not read. What does not fit is counted,
// exactly, and is a gap where something comes after it.
func TestUnixTapLoss(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true, RingBytes: os.Getpagesize()})
	path := filepath.Join(t.TempDir(), "x.sock")
	client, server := u.pair("unix", path)
	const n = 300
	arrived := receive(t, server, n*100+2*100)
	var sent []byte
	write := func() {
		t.Helper()
		b := random(100)
		sent = append(sent, b...)
		if _, err := client.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		write()
	}
	live, err := u.tap.Counts()
	if err != nil {
		t.Fatal(err)
	}
	if live.RingFull.Packets < n/2 || live.Delivered.Packets == 0 || live.Seen != (Count{n, n * 100}) {
		t.Errorf("%+v", live)
	}
	u.read()
	// From here on there is room: what is missing before it is known.
	waitFor(t, func() bool {
		write()
		c, err := u.tap.Counts()
		return err == nil && c.Delivered.Packets > live.Delivered.Packets || len(sent) == n*100+200
	})
	for len(sent) < n*100+200 {
		write()
	}
	if got := arrived(); string(got) != string(sent) {
		t.Fatal("what arrived is not what was sent")
	}
	c := u.end()
	if c.Seen != (Count{n + 2, (n + 2) * 100}) || c.Delivered.Packets+c.RingFull.Packets != c.Seen.Packets || c.Lost() != c.RingFull {
		t.Errorf("%+v", c)
	}
	one := u.only(path)
	if got := uint64(len(one.sent[decode.Client])) - uint64(one.missing[decode.Client]); got != c.Delivered.Bytes {
		t.Errorf("%d bytes, of %+v", got, c)
	}
	for i, b := range one.sent[decode.Client] {
		if b != 0 && b != sent[i] {
			t.Fatalf("byte %d is %#x, want %#x", i, b, sent[i])
		}
	}
}

// waitFor waits until something is so.
func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	for range 10_000 {
		if ok() {
			return
		}
		runtime.Gosched()
	}
	t.Fatal("it does not come to be so")
}

// as runs f on a thread that is in the namespace and is the user uid's alone.
func (u *unixTapped) as(uid int, f func() error) {
	u.t.Helper()
	inNamespace(u.t, u.ns, func() error {
		if uid != 0 {
			// The raw calls change this thread alone (nptl(7)).
			for _, nr := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
				if _, _, errno := unix.RawSyscall(nr, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
					return errno
				}
			}
			// Another user's thread may not be looked at by that user (prctl(2)).
			if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
				return err
			}
		}
		return f()
	})
}

// TestUnixTapUsers: a user's tap has what processes of that user send, and what is sent
// to sockets of that user.
func TestUnixTapUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: loads eBPF programs")
	}
	dir := "/tmp"
	if d, err := os.MkdirTemp(dir, "lodge-unixtap-"); err != nil {
		t.Fatal(err)
	} else {
		dir = d
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	u := &unixTapped{t: t, ns: newLo(t)}
	listeners := map[int]net.Listener{}
	for _, uid := range []int{0, alice, bob} {
		u.as(uid, func() error {
			ln, err := net.Listen("unix", filepath.Join(dir, strings.Trim(userName(uid), "<>")))
			if err != nil {
				return err
			}
			listeners[uid] = ln
			return os.Chmod(ln.Addr().String(), 0o777)
		})
		t.Cleanup(func() { _ = listeners[uid].Close() })
	}
	talk := func() {
		for _, from := range []int{0, alice, bob} {
			for _, to := range []int{0, alice, bob} {
				var c, s net.Conn
				text := userName(from) + " to " + userName(to)
				u.as(from, func() (err error) {
					if c, err = net.Dial("unix", listeners[to].Addr().String()); err == nil {
						_, err = c.Write([]byte(text)) // before it is accepted
					}
					return err
				})
				u.as(to, func() (err error) {
					if s, err = listeners[to].Accept(); err == nil {
						_, err = s.Write([]byte("answer to " + text))
					}
					return err
				})
				u.as(from, func() error {
					_, err := c.Write([]byte(", again"))
					return errors.Join(err, c.Close())
				})
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, uid := range []int{0, alice, bob} {
		v := &unixTapped{t: t, ns: u.ns}
		v.start(UnixSpec{AllUsers: uid == 0, UID: uint32(uid)})
		talk()
		v.end()
		var got []string
		for _, c := range v.conns {
			got = append(got, string(c.sent[decode.Client])+"|"+string(c.sent[decode.Server]))
		}
		n := 0
		for _, from := range []int{0, alice, bob} {
			for _, to := range []int{0, alice, bob} {
				text := userName(from) + " to " + userName(to)
				want := text + ", again|answer to " + text
				mine := uid == 0 || from == uid || to == uid
				if mine {
					n++
				}
				has := false
				for _, g := range got {
					has = has || g == want
				}
				if has != mine {
					t.Errorf("user %d: %q: %v, of %q", uid, want, has, got)
				}
			}
		}
		if len(got) != n {
			t.Errorf("user %d: %d connections, want %d: %q", uid, len(got), n, got)
		}
	}
}

// TestUnixTapUndumpable: what a user's process sends that the user may not look at, as
// programs with secrets arrange it (prctl(2)), is given to that user's tap only where the
// other end is the user's.
func TestUnixTapUndumpable(t *testing.T) {
	u := &unixTapped{t: t, ns: newLo(t)}
	client, server := u.pair("unix", filepath.Join(t.TempDir(), "x"))
	u.start(UnixSpec{UID: alice})
	for dumpable := range 2 {
		u.as(alice, func() error {
			if err := unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(dumpable), 0, 0, 0); err != nil {
				return err
			}
			_, err := client.Write([]byte{'0' + byte(dumpable)})
			return err
		})
	}
	receive(t, server, 2)()
	u.end()
	if len(u.conns) != 1 || string(u.conns[0].sent[decode.Client]) != "1" {
		t.Errorf("%d connections", len(u.conns))
	}
}

// TestUnixTapPrivileged: a listener of a process that is the user for a moment, as set-user-id
// programs and servers are, is not that user's: what is sent to it before it is accepted is
// not given.
func TestUnixTapPrivileged(t *testing.T) {
	u := &unixTapped{t: t, ns: newLo(t)}
	path := filepath.Join(t.TempDir(), "x")
	var ln net.Listener
	inNamespace(t, u.ns, func() (err error) {
		if ln, err = net.Listen("unix", path); err != nil {
			return err
		}
		// Its effective user is another one, until the thread ends with this function; and
		// listen(2) notes whose the socket is.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), alice, ^uintptr(0)); errno != 0 {
			return errno
		}
		f, err := ln.(*net.UnixListener).File()
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Listen(int(f.Fd()), 1)
	})
	defer ln.Close()
	u.start(UnixSpec{UID: alice})
	inNamespace(t, u.ns, func() error {
		c, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		_, err = c.Write([]byte("x"))
		return errors.Join(err, c.Close())
	})
	if got := u.end(); got.Seen.Packets != 0 {
		t.Errorf("%+v, %d connections", got, len(u.conns))
	}
}

// TestUnixTapOtherNamespace: neither what is sent in another network namespace nor what
// the reader itself sends is told.
func TestUnixTapOtherNamespace(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true})
	other := &unixTapped{t: t, ns: newLo(t)}
	dir := t.TempDir()
	c, s := other.pair("unix", dir+"/other")
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := u.end(); got.Seen.Packets != 0 || len(u.conns) != 0 {
		t.Errorf("%+v", got)
	}
	other.start(UnixSpec{AllUsers: true, Reader: uint32(os.Getpid())})
	if _, err := s.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := other.end(); got.Seen.Packets != 0 {
		t.Errorf("%+v", got)
	}
}

// sendmmsg sends each part as a message of its own (sendmmsg(2)).
func sendmmsg(fd int, parts [][]byte) (int, error) {
	type message struct {
		header unix.Msghdr
		length uint32
		_      uint32
	}
	messages := make([]message, len(parts))
	vectors := make([]unix.Iovec, len(parts))
	for i, p := range parts {
		vectors[i].Base = &p[0]
		vectors[i].SetLen(len(p))
		messages[i].header.Iov = &vectors[i]
		messages[i].header.SetIovlen(1)
	}
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// compatProgram is a program of 32 bits that sends by its standard output: by write,
// writev, sendmsg, sendto, and send by socketcall(2).
const compatProgram = `
static int call(int nr, int a, int b, int c, int d, int e, int f)
{
	int r;
	__asm__ volatile("pushl %%ebp\n movl %7, %%ebp\n int $0x80\n popl %%ebp"
		: "=a"(r) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), "m"(f) : "memory");
	return r;
}
static char one[] = "one ", two[] = "two ", three[] = "three ";
void _start(void)
{
	struct { char *base; int length; } v[2] = { { one, 4 }, { two, 4 } };
	struct { void *name; int name_length; void *v; int n; void *control; int control_length, flags; } m = { 0, 0, v, 2, 0, 0, 0 };
	int args[6] = { 1, (int)three, 6, 0, 0, 0 };
	call(4, 1, (int)three, 6, 0, 0, 0);
	call(146, 1, (int)v, 2, 0, 0, 0);
	call(370, 1, (int)&m, 0, 0, 0, 0);
	call(369, 1, (int)one, 4, 0, 0, 0);
	call(102, 9, (int)args, 0, 0, 0, 0);
	call(1, 0, 0, 0, 0, 0, 0);
}
`

// TestUnixTapCompat: a program of 32 bits.
func TestUnixTapCompat(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64: the program is one of 32-bit x86")
	}
	if _, err := exec.LookPath("clang"); err != nil {
		t.Skip("needs the program clang to build a program of 32 bits")
	}
	u := newUnixTap(t, UnixSpec{AllUsers: true})
	dir := t.TempDir()
	src, exe := filepath.Join(dir, "compat.c"), filepath.Join(dir, "compat")
	if err := os.WriteFile(src, []byte(compatProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("clang", "-m32", "-O1", "-fno-pic", "-fno-pie", "-fomit-frame-pointer", "-ffreestanding", "-fno-stack-protector", "-nostdlib", "-static", "-o", exe, src).CombinedOutput(); err != nil {
		t.Fatalf("clang: %v: %s", err, out)
	}
	client, server := u.pair("unix", filepath.Join(dir, "x"))
	f, err := client.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(exe)
	cmd.Stdout = f
	if err := cmd.Run(); err != nil {
		if errors.Is(err, unix.ENOEXEC) {
			t.Skip("this kernel has no programs of 32 bits")
		}
		t.Fatal(err)
	}
	const want = "three one two one two one three "
	if got := string(receive(t, server, len(want))()); got != want {
		t.Fatalf("%q", got)
	}
	if c := u.end(); c.Lost() != (Count{}) || c.Seen.Packets != 5 {
		t.Errorf("%+v", c)
	}
	one := u.only(filepath.Join(dir, "x"))
	one.equal(t, decode.Client, []byte(want), 0)
	if !one.pids[uint32(cmd.Process.Pid)] {
		t.Errorf("processes %v, want %d", one.pids, cmd.Process.Pid)
	}
}

// TestUnixTapUring: what io_uring sends is a gap of its size.
func TestUnixTapUring(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true})
	path := filepath.Join(t.TempDir(), "x.sock")
	client, server := u.pair("unix", path)
	fd := fdOf(t, client)
	arrived := receive(t, server, 5+4000+5)
	if _, err := client.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	b := random(4000)
	n := uring(t, uringOpSend, func(sqe []byte) {
		binary.NativeEndian.PutUint32(sqe[4:], uint32(fd))
		binary.NativeEndian.PutUint64(sqe[16:], uint64(uintptr(unsafe.Pointer(&b[0]))))
		binary.NativeEndian.PutUint32(sqe[24:], uint32(len(b)))
	})
	runtime.KeepAlive(b)
	if n != len(b) {
		t.Fatalf("IORING_OP_SEND: %d", n)
	}
	if _, err := client.Write([]byte("lasts")); err != nil {
		t.Fatal(err)
	}
	want := arrived()
	if c := u.end(); c.NotCopied != (Count{1, 4000}) || c.Lost() != c.NotCopied || c.Delivered != (Count{2, 10}) {
		t.Errorf("%+v", c)
	}
	u.only(path).equal(t, decode.Client, want, 4000)
}
