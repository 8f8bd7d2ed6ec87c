package bpf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The users of the tests. The first one has the id that the kernel also shows for
// a user that it cannot name (overflowuid).
const (
	alice = 65534
	bob   = 65533
)

// userName is how a payload names the user of one end.
func userName(uid int) string {
	return map[int]string{0: "<root>", alice: "<alice>", bob: "<bob>"}[uid]
}

// space is a network namespace with taps of all users.
type space struct {
	t    testing.TB
	ns   *os.File
	taps *Taps
}

// newTapSpace is one whose taps know the senders of packets.
func newTapSpace(t testing.TB) *space {
	t.Helper()
	s := anyTapSpace(t)
	if !s.taps.KnowsSenders() {
		t.Skip("needs Linux 6.6: ", errNoTCX)
	}
	return s
}

// anyTapSpace is one whose taps are those that this kernel can have.
func anyTapSpace(t testing.TB) *space {
	t.Helper()
	s := &space{t: t, ns: newLo(t)}
	taps, err := OpenTaps(s.ns)
	if err != nil {
		t.Fatal(err)
	}
	s.taps = closeAfter(t, taps)
	return s
}

// do runs f on a thread that is in the namespace and is the user uid's.
func (s *space) do(uid int, f func() error) {
	s.t.Helper()
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		err := unix.Setns(int(s.ns.Fd()), unix.CLONE_NEWNET)
		if err == nil && uid != 0 {
			// The raw call changes this thread alone (nptl(7)).
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
				err = errno
			}
		}
		if err == nil {
			err = f()
		}
		result <- err
	}()
	if err := <-result; err != nil {
		s.t.Fatal(err)
	}
}

// views are the taps of root, alice and bob.
type views struct {
	t    testing.TB
	taps map[int]*tapped
}

func (s *space) watch() *views {
	v := &views{s.t, map[int]*tapped{}}
	for _, uid := range []int{0, alice, bob} {
		v.taps[uid] = tapLo(s.t, s.taps, TapSpec{AllUsers: uid == 0, UID: uint32(uid)})
	}
	return v
}

// end ends the taps. Each user must have been given the payloads that name the
// user, and no others; those with <open> may be given to anyone or no one whom
// they name.
func (v *views) end() {
	v.t.Helper()
	everything := map[string]int{}
	for _, uid := range []int{0, alice, bob} {
		d := v.taps[uid]
		c := d.end()
		if lost := c.Lost(); lost.Packets != 0 {
			v.t.Errorf("user %d: lost %+v", uid, c)
		}
		seen := map[string]int{}
		for i := range d.packets {
			p := &d.packets[i]
			mine := uid == 0 || p.UID == uint32(uid) || p.DstUID == uint32(uid)
			if !mine {
				v.t.Errorf("user %d was given %q of users %d and %d", uid, p.payload, p.UID, p.DstUID)
			}
			if len(p.payload) > 0 {
				seen[string(p.payload)]++
			}
		}
		if uid == 0 {
			everything = seen
			if len(seen) == 0 {
				v.t.Error("nothing was sent")
			}
			continue
		}
		for text, n := range everything {
			names := strings.Contains(text, userName(uid))
			switch {
			case !names && seen[text] > 0:
				v.t.Errorf("user %d was given %q", uid, text)
			case names && seen[text] != n && !strings.Contains(text, "<open>"):
				v.t.Errorf("user %d was given %q %d times of %d", uid, text, seen[text], n)
			}
		}
		for text := range seen {
			if everything[text] == 0 {
				v.t.Errorf("user %d was given %q, and root not", uid, text)
			}
		}
	}
}

// listen returns a listening socket of the user.
func (s *space) listen(uid int, network, addr string) net.Listener {
	s.t.Helper()
	var ln net.Listener
	s.do(uid, func() (err error) { ln, err = net.Listen(network, addr); return err })
	s.t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func (s *space) accept(uid int, ln net.Listener) net.Conn {
	s.t.Helper()
	var c net.Conn
	s.do(uid, func() (err error) { c, err = ln.Accept(); return err })
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *space) dial(uid int, network, addr string) net.Conn {
	s.t.Helper()
	var c net.Conn
	s.do(uid, func() (err error) { c, err = net.Dial(network, addr); return err })
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// say sends text from one end to the other.
func (s *space) say(from, to net.Conn, text string) {
	s.t.Helper()
	if _, err := from.Write([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
	s.hear(to, text)
}

func (s *space) hear(to net.Conn, text string) {
	s.t.Helper()
	b := make([]byte, len(text))
	err := to.SetReadDeadline(time.Now().Add(tapPatience))
	n := 0
	for n < len(b) && err == nil {
		var m int
		m, err = to.Read(b[n:])
		n += m
	}
	if err != nil || string(b[:n]) != text {
		s.t.Fatalf("heard %q, want %q: %v", b[:n], text, err)
	}
}

// packet returns a UDP socket of the user.
func (s *space) packet(uid int, addr string) *net.UDPConn {
	s.t.Helper()
	var c net.PacketConn
	s.do(uid, func() (err error) { c, err = net.ListenPacket("udp", addr); return err })
	s.t.Cleanup(func() { _ = c.Close() })
	return c.(*net.UDPConn)
}

// send sends a datagram, and waits until it has come.
func (s *space) send(from, to *net.UDPConn, text string) {
	s.t.Helper()
	dst := to.LocalAddr().(*net.UDPAddr).AddrPort()
	if dst.Addr().IsUnspecified() {
		dst = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), dst.Port())
	}
	if _, err := from.WriteToUDPAddrPort([]byte(text), dst); err != nil {
		s.t.Fatal(err)
	}
	s.hear(to, text)
}

// TestTapEachPair: what each user says to each user, by every protocol.
func TestTapEachPair(t *testing.T) {
	s := newTapSpace(t)
	v := s.watch()
	users := []int{0, alice, bob}
	for _, host := range []string{"127.0.0.1", "127.64.3.9", "::1"} {
		for _, client := range users {
			for _, server := range users {
				pair := fmt.Sprintf("%s%s %s ", userName(client), userName(server), host)
				any := net.JoinHostPort(host, "0")
				ln := s.listen(server, "tcp", any)
				c := s.dial(client, "tcp", ln.Addr().String())
				a := s.accept(server, ln)
				s.say(c, a, pair+"TCP asks")
				s.say(a, c, pair+"TCP answers")

				u, w := s.packet(client, any), s.packet(server, any)
				s.send(u, w, pair+"UDP asks")
				s.send(w, u, pair+"UDP answers")
				connected := s.dial(client, "udp", w.LocalAddr().String())
				s.say(connected, w, pair+"connected UDP asks")
				if _, err := w.WriteTo([]byte(pair+"connected UDP answers"), connected.LocalAddr()); err != nil {
					t.Fatal(err)
				}
				s.hear(connected, pair+"connected UDP answers")
			}
		}
	}
	// IPv4 to a socket of IPv6.
	for _, server := range users {
		ln := s.listen(server, "tcp", "[::]:0")
		c := s.dial(bob, "tcp", fmt.Sprintf("127.0.0.1:%d", ln.Addr().(*net.TCPAddr).Port))
		a := s.accept(server, ln)
		s.say(c, a, "<bob>"+userName(server)+" to a mapped address")
		w := s.packet(server, "[::]:0")
		u := s.dial(bob, "udp", fmt.Sprintf("127.0.0.1:%d", w.LocalAddr().(*net.UDPAddr).Port))
		s.say(u, w, "<bob>"+userName(server)+" UDP to a mapped address")
	}
	v.end()
}

// TestTapPortOfAnother: a port that was another user's a moment ago.
func TestTapPortOfAnother(t *testing.T) {
	s := newTapSpace(t)
	v := s.watch()
	for round := range 20 {
		first, second := alice, bob
		if round%2 == 1 {
			first, second = bob, alice
		}
		client := s.packet(0, "127.0.0.1:0")
		one := s.packet(first, "127.0.0.1:0")
		addr := one.LocalAddr().String()
		s.send(client, one, fmt.Sprintf("<root>%s UDP %d", userName(first), round))
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
		s.send(client, s.packet(second, addr), fmt.Sprintf("<root>%s UDP %d", userName(second), round))

		// TCP, with one in TIME_WAIT, and from the same port again.
		ln := s.listen(first, "tcp", "127.0.0.1:0")
		to := ln.Addr().String()
		c := s.dialFrom(0, "127.0.0.1:0", to)
		from := c.LocalAddr().String()
		a := s.accept(first, ln)
		s.say(c, a, fmt.Sprintf("<root>%s TCP %d", userName(first), round))
		if err := errors.Join(a.Close(), ln.Close()); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(tapPatience))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatal("no end")
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		ln = s.listen(second, "tcp", to)
		c = s.dialFrom(0, from, to)
		a = s.accept(second, ln)
		s.say(c, a, fmt.Sprintf("<root>%s TCP %d", userName(second), round))
		s.say(a, c, fmt.Sprintf("<root>%s TCP answer %d", userName(second), round))
	}
	v.end()
	for _, uid := range []int{alice, bob} {
		syn, answers := 0, 0
		for i := range v.taps[uid].packets {
			switch v.taps[uid].packets[i].tcp & 0x12 {
			case 2:
				syn++
			case 0x12:
				answers++
			}
		}
		// Half of the first packets went to an end that was the other one's and is in
		// TIME_WAIT. To whom they go is not told.
		if syn != 10 || answers != 20 {
			t.Errorf("user %d: %d SYN, %d answers to them", uid, syn, answers)
		}
	}
}

// dialFrom connects from an address.
func (s *space) dialFrom(uid int, from, to string) net.Conn {
	s.t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from)), Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }), err)
	}}
	var c net.Conn
	s.do(uid, func() (err error) { c, err = d.DialContext(context.Background(), "tcp", to); return err })
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestTapEndOfConnection: each end of a connection between two users gets its end,
// also when one side has nothing left of it but TIME_WAIT.
func TestTapEndOfConnection(t *testing.T) {
	s := newTapSpace(t)
	for _, serverFirst := range []bool{true, false} {
		v := s.watch()
		ln := s.listen(alice, "tcp", "127.0.0.1:0")
		c := s.dial(bob, "tcp", ln.Addr().String())
		a := s.accept(alice, ln)
		s.say(c, a, "<bob><alice> hello")
		first, last := c, a
		if serverFirst {
			first, last = a, c
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		s.awaitTimeWait(first.LocalAddr().(*net.TCPAddr).Port)
		if err := last.Close(); err != nil {
			t.Fatal(err)
		}
		v.end()
		for uid, d := range v.taps {
			syn, fin := d.flags(2), d.flags(1)
			if syn != 2 || fin != 2 {
				t.Errorf("server first %v, user %d: %d SYN and %d FIN", serverFirst, uid, syn, fin)
			}
		}
	}
}

// awaitTimeWait waits until nothing is left of the connection at that port but
// what the kernel keeps for TIME_WAIT, which also stands for FIN_WAIT2.
func (s *space) awaitTimeWait(port int) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(tapPatience); time.Now().Before(deadline); <-tick.C {
		var table []byte
		s.do(0, func() (err error) { table, err = os.ReadFile("/proc/thread-self/net/tcp"); return err })
		for line := range strings.Lines(string(table)) {
			// The sixth field is the timer, and 3 that of TIME_WAIT.
			if f := strings.Fields(line); len(f) > 5 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && strings.HasPrefix(f[5], "03:") {
				return
			}
		}
	}
	s.t.Fatal("the connection does not come to TIME_WAIT")
}
