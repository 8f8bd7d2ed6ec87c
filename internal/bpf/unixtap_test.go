package bpf

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/capture/unixcalls"
	"lodge/internal/decode"
)

// TestUnixTapCalls: each call that sends, with what arrives at the other end.
func TestUnixTapCalls(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true})
	u.read()
	path := filepath.Join(t.TempDir(), "x.sock")
	client, server := u.pair("unix", path)
	fd := fdOf(t, client)
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	var sent []byte
	part := func(n int) []byte {
		b := random(n)
		sent = append(sent, b...)
		return b
	}
	parts := func(n, size int) (out [][]byte) {
		for range n {
			out = append(out, part(size))
		}
		return out
	}
	arrived := receive(t, server, 10+100_000+5+7+5+1024*3+40*3000+1+64*70)
	must := func(n int, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(n, err)
		}
	}
	must(unix.Write(fd, part(10)))
	b := part(100_000)
	for len(b) > 0 {
		n, err := client.Write(b)
		must(n, err)
		b = b[n:]
	}
	must(0, unix.Sendto(fd, part(5), 0, nil))
	must(unix.SendmsgN(fd, part(7), nil, nil, 0))
	pipe := make([]int, 2)
	must(0, unix.Pipe2(pipe, unix.O_CLOEXEC))
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	must(unix.SendmsgN(fd, part(5), unix.UnixRights(pipe...), nil, 0))
	must(unix.Writev(fd, parts(1024, 3)))
	for _, one := range parts(40, 3000) {
		must(unix.Pwritev2(fd, [][]byte{one[:1], one[1:2000], {}, one[2000:]}, -1, 0))
	}
	must(unix.Write(fd, part(1)))
	must(sendmmsg(fd, parts(64, 70)))
	if got := arrived(); !bytes.Equal(got, sent) {
		t.Fatal("what arrived is not what was sent")
	}
	answer := random(3000)
	back := receive(t, client, len(answer))
	must(server.Write(answer))
	back()
	must(0, client.CloseWrite())
	c := u.end()
	if c.Lost() != (Count{}) {
		t.Errorf("%+v", c)
	}
	one := u.only(path)
	one.equal(t, decode.Client, sent, 0)
	one.equal(t, decode.Server, answer, 0)
	if !one.ClientKnown || one.Midstream || one.descriptors != 2 || !one.ended[decode.Client] || one.Type != unixcalls.Stream {
		t.Errorf("%+v", one)
	}
	if int(one.PeerPID) != os.Getpid() || !one.pids[uint32(os.Getpid())] || len(one.pids) != 1 {
		t.Errorf("processes %d, %v", one.PeerPID, one.pids)
	}
	if a, b := one.Inodes(); a != inodeOf(t, fd) || b != inodeOf(t, fdOf(t, server)) {
		t.Errorf("inodes %d, %d", a, b)
	}
}

// TestUnixTapLarge: of one call more than is copied is a gap of the right size, and
// what is sent in many calls by a sender that is faster than its reader is whole.
func TestUnixTapLarge(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true, MaxCall: 200_000, RingBytes: 16 << 20})
	path := filepath.Join(t.TempDir(), "x.sock")
	client, server := u.pair("unix", path)
	fd := fdOf(t, client)
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	sent := random(1_000_000)
	arrived := receive(t, server, 2*len(sent))
	// Blocking: one call, which waits for the reader.
	if n, err := unix.Write(fd, sent); err != nil || n != len(sent) {
		t.Fatal(n, err)
	}
	// Not blocking: each call sends a part.
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	partial := 0
	for rest := sent; len(rest) > 0; {
		n, err := unix.Write(fd, rest[:min(len(rest), 150_000)])
		if errors.Is(err, unix.EAGAIN) {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n < min(len(rest), 150_000) {
			partial++
		}
		rest = rest[n:]
	}
	whole := append(slices.Clip(sent), sent...)
	if got := arrived(); !bytes.Equal(got, whole) {
		t.Fatal("what arrived is not what was sent")
	}
	c := u.end()
	if want := (Count{1, 800_000}); c.TooLarge != want || c.Lost() != want || c.Delivered.Bytes != 1_200_000 {
		t.Errorf("%+v", c)
	}
	u.only(path).equal(t, decode.Client, whole, 800_000)
	t.Logf("%d calls sent a part of what they were given", partial)
}

// TestUnixTapNotInMemory: bytes that are not in memory when the call is entered.
func TestUnixTapNotInMemory(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true})
	path := filepath.Join(t.TempDir(), "x.sock")
	client, server := u.pair("unix", path)
	content := random(60_000)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := unix.Mmap(int(f.Fd()), 0, len(content), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(b) }()
	arrived := receive(t, server, len(content))
	if n, err := unix.Write(fdOf(t, client), b); err != nil || n != len(b) {
		t.Fatal(n, err)
	}
	arrived()
	if c := u.end(); c.Lost() != (Count{}) {
		t.Errorf("%+v", c)
	}
	u.only(path).equal(t, decode.Client, content, 0)
}

// TestUnixTapNotCopied: what the kernel sends from a file or a pipe is a gap that is
// counted.
func TestUnixTapNotCopied(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true})
	path := filepath.Join(t.TempDir(), "x.sock")
	client, server := u.pair("unix", path)
	fd := fdOf(t, client)
	content := random(5000)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	arrived := receive(t, server, 5+5000+5+700+5)
	for _, step := range []func() (int, error){
		func() (int, error) { return unix.Write(fd, []byte("first")) },
		func() (int, error) { return unix.Sendfile(fd, int(f.Fd()), nil, 5000) },
		func() (int, error) { return unix.Write(fd, []byte("later")) },
		func() (int, error) { return unix.Write(pipe[1], content[:700]) },
		func() (int, error) { n, err := unix.Splice(pipe[0], nil, fd, nil, 700, 0); return int(n), err },
		func() (int, error) { return unix.Write(fd, []byte("lasts")) },
	} {
		if n, err := step(); err != nil {
			t.Fatal(n, err)
		}
	}
	want := arrived()
	if c := u.end(); c.NotCopied != (Count{2, 5700}) || c.Lost() != c.NotCopied || c.Delivered != (Count{3, 15}) {
		t.Errorf("%+v", c)
	}
	u.only(path).equal(t, decode.Client, want, 5700)
}

// TestUnixTapTypes: abstract names, sequenced packets, datagrams to a path and on a
// connected socket, and pairs of sockets.
func TestUnixTapTypes(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true})
	dir := t.TempDir()
	abstract := fmt.Sprintf("@lodge-test-%d", os.Getpid())
	client, server := u.pair("unix", abstract)
	send := func(c net.Conn, text string) {
		t.Helper()
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	send(client, "hello")
	send(server, "world")
	client, server = u.pair("unixpacket", dir+"/packet")
	send(client, "one")
	send(client, "two")
	send(server, "three")
	send(server, "")
	inNamespace(t, u.ns, func() error {
		to := &net.UnixAddr{Net: "unixgram", Name: dir + "/datagram"}
		in, err := net.ListenUnixgram("unixgram", to)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: dir + "/from"})
		if err != nil {
			return err
		}
		defer out.Close()
		for _, text := range []string{"four", "", "five"} {
			if _, err := out.WriteToUnix([]byte(text), to); err != nil {
				return err
			}
		}
		connected, err := net.DialUnix("unixgram", nil, to)
		if err != nil {
			return err
		}
		defer connected.Close()
		_, err = connected.Write([]byte("six"))
		return err
	})
	inNamespace(t, u.ns, func() error {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fds[0])
		defer unix.Close(fds[1])
		_, err = unix.Write(fds[1], []byte("seven"))
		return err
	})
	if c := u.end(); c.Lost() != (Count{}) || c.Seen.Packets != 11 {
		t.Errorf("%+v", c)
	}
	var got []string
	for _, c := range u.conns {
		got = append(got, fmt.Sprintf("%s %d %s|%s %d|%d", strings.TrimPrefix(c.Path, dir), c.Type, c.sent[0], c.sent[1], c.pieces[0], c.pieces[1]))
	}
	want := []string{
		abstract + " 1 hello|world 1|1", "/packet 5 onetwo|three 2|2", "/datagram 2 fourfive| 3|0", "/datagram 2 six| 1|0", " 1 seven| 1|0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestUnixTapConnect: connections that are not made, and one whose server speaks first.
func TestUnixTapConnect(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true})
	dir := t.TempDir()
	client, server := u.pair("unix", dir+"/x")
	if _, err := server.Write([]byte("welcome")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("thanks")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/none", "/file"} {
		inNamespace(t, u.ns, func() error {
			if c, err := net.Dial("unix", dir+name); err == nil {
				return errors.Join(errors.New("connected to "+name), c.Close())
			}
			return nil
		})
	}
	u.end()
	one := u.only(dir + "/x")
	if !one.ClientKnown || one.Midstream || string(one.sent[decode.Server]) != "welcome" || string(one.sent[decode.Client]) != "thanks" {
		t.Errorf("%+v", one)
	}
	var got []string
	for _, a := range u.refused {
		got = append(got, fmt.Sprint(strings.TrimPrefix(a.Path, dir), " ", unix.Errno(a.Errno), " ", a.Process.PID == uint32(os.Getpid())))
	}
	if want := []string{"/none no such file or directory true", "/file connection refused true"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestUnixTapMidstream: connections that are older than the tap, from both sides.
func TestUnixTapMidstream(t *testing.T) {
	u := &unixTapped{t: t, ns: newLo(t)}
	dir := t.TempDir()
	ac, as := u.pair("unix", dir+"/a")
	bc, bs := u.pair("unix", dir+"/b")
	u.start(UnixSpec{AllUsers: true})
	for i, c := range []net.Conn{ac, as, bs, bc} {
		if _, err := fmt.Fprint(c, i); err != nil {
			t.Fatal(err)
		}
	}
	u.end()
	for path, want := range map[string]string{"/a": "0|1", "/b": "3|2"} {
		one := u.only(dir + path)
		if got := string(one.sent[0]) + "|" + string(one.sent[1]); got != want || !one.Midstream || !one.ClientKnown {
			t.Errorf("%s: %q, %+v", path, got, one.Conn)
		}
	}
}

// TestUnixTapThreads: threads that send by one socket at once, each byte once, and none is
// missing whose call is over later than one that was entered after it.
func TestUnixTapThreads(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true})
	u.read()
	path := filepath.Join(t.TempDir(), "x.sock")
	client, server := u.pair("unixpacket", path)
	fd := fdOf(t, client) // a net.Conn has one writer at a time
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	const n, each = 8, 500
	total := make(chan int, 1)
	go func() {
		sum, b := 0, make([]byte, 100)
		for range n * each {
			m, err := server.Read(b)
			if err != nil {
				t.Error(err)
				break
			}
			sum += m
		}
		total <- sum
	}()
	errs := make(chan error, n)
	for i := range n {
		go func() {
			for j := range each {
				if _, err := unix.Write(fd, fmt.Appendf(nil, "%d.%03d;", i, j)); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if got := <-total; got != n*each*6 {
		t.Fatal(got)
	}
	if c := u.end(); c.Lost() != (Count{}) || c.Seen != (Count{n * each, n * each * 6}) {
		t.Errorf("%+v", c)
	}
	one := u.only(path)
	// Each thread's are in order.
	var next [n]int
	for _, s := range strings.FieldsFunc(string(one.sent[decode.Client]), func(r rune) bool { return r == ';' }) {
		var i, j int
		if _, err := fmt.Sscanf(s, "%d.%d", &i, &j); err != nil || j != next[i] {
			t.Fatalf("%s after %d", s, next[i])
		}
		next[i]++
	}
	if one.missing != [2]int64{} || slices.Min(next[:]) != each {
		t.Errorf("%v, missing %v", next, one.missing)
	}
}

// TestUnixTapDatagrams: one socket that sends to several paths, with a name of its own, and
// what nothing takes.
func TestUnixTapDatagrams(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true})
	dir := t.TempDir()
	inNamespace(t, u.ns, func() error {
		for _, name := range []string{"/a", "/b"} {
			ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: dir + name})
			if err != nil {
				return err
			}
			defer ln.Close()
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		to := func(name string) unix.Sockaddr { return &unix.SockaddrUnix{Name: dir + name} }
		if err := unix.Bind(fd, to("/own")); err != nil {
			return err
		}
		for _, name := range []string{"/a", "/b"} {
			if err := unix.Connect(fd, to(name)); err != nil {
				return err
			}
			if _, err := unix.Write(fd, []byte("by connect to "+name)); err != nil {
				return err
			}
		}
		if err := unix.Sendto(fd, []byte("to /a"), 0, to("/a")); err != nil {
			return err
		}
		for _, err := range []error{unix.Connect(fd, to("/none")), unix.Sendto(fd, []byte("void"), 0, to("/nothing"))} {
			if !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("no server: %w", err)
			}
		}
		if _, err := unix.Write(fd, []byte("as before")); err != nil {
			return err
		}
		return nil
	})
	if c := u.end(); c.Lost() != (Count{}) || c.Seen.Packets != 5 { // one is a connect that failed
		t.Errorf("%+v", c)
	}
	var got []string
	for _, c := range u.conns {
		if c.pieces != [2]int{} {
			got = append(got, fmt.Sprintf("%s %s", strings.TrimPrefix(c.Path, dir), c.sent[0]))
		}
	}
	for _, a := range u.refused {
		got = append(got, fmt.Sprint(strings.TrimPrefix(a.Path, dir), " ", unix.Errno(a.Errno), " ", a.Type, " ", a.Process.PID == uint32(os.Getpid())))
	}
	want := []string{
		"/a by connect to /ato /a", "/b by connect to /bas before",
		"/none no such file or directory 2 true", "/nothing no such file or directory 2 true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestUnixTapBacklog: connections beyond those that a listener keeps for itself.
func TestUnixTapBacklog(t *testing.T) {
	u := newUnixTap(t, UnixSpec{AllUsers: true})
	path := filepath.Join(t.TempDir(), "x.sock")
	inNamespace(t, u.ns, func() error {
		ln, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(ln)
		if err := errors.Join(unix.Bind(ln, &unix.SockaddrUnix{Name: path}), unix.Listen(ln, 0)); err != nil {
			return err
		}
		for range 4 {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil && !errors.Is(err, unix.EAGAIN) {
				return err
			}
		}
		return nil
	})
	u.end()
	if n := len(u.refused); n == 0 || n == 4 || u.refused[0].Errno != uint32(unix.EAGAIN) || u.refused[0].Path != path {
		t.Errorf("%d, %+v", n, u.refused)
	}
}
