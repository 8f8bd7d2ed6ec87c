package bpf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reusable is a configuration for sockets of one port.
func reusable() net.ListenConfig {
	return net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }), err)
	}}
}

// TestTapReusePort: many sockets of one user at one port.
func TestTapReusePort(t *testing.T) {
	s := newTapSpace(t)
	v := s.watch()
	config := reusable()
	for _, server := range []int{alice, bob} {
		addr := "127.0.0.1:0"
		var listeners []net.Listener
		var sockets []net.PacketConn
		for range 4 {
			var ln net.Listener
			s.do(server, func() (err error) { ln, err = config.Listen(context.Background(), "tcp", addr); return err })
			t.Cleanup(func() { _ = ln.Close() })
			addr = ln.Addr().String()
			listeners = append(listeners, ln)
			var p net.PacketConn
			s.do(server, func() (err error) { p, err = config.ListenPacket(context.Background(), "udp", addr); return err })
			t.Cleanup(func() { _ = p.Close() })
			sockets = append(sockets, p)
		}
		accepted := make(chan net.Conn)
		for _, ln := range listeners {
			go s.do(server, func() error {
				for {
					c, err := ln.Accept()
					if err != nil {
						return nil
					}
					accepted <- c
				}
			})
		}
		for i := range 20 {
			client := []int{0, alice, bob}[i%3]
			c := s.dial(client, "tcp", addr)
			a := <-accepted
			text := fmt.Sprintf("%s%s of %d", userName(client), userName(server), i)
			s.say(c, a, text)
			s.say(a, c, "answer "+text)
			_ = a.Close()
			u := s.dial(client, "udp", addr)
			if _, err := u.Write([]byte("UDP " + text)); err != nil {
				t.Fatal(err)
			}
		}
		for _, ln := range listeners {
			if err := ln.Close(); err != nil {
				t.Fatal(err)
			}
		}
		_ = sockets
	}
	v.end()
}

// TestTapSharedSocket: a socket is the user's who made it or who accepted it,
// whoever else has it.
func TestTapSharedSocket(t *testing.T) {
	s := newTapSpace(t)
	v := s.watch()
	// Root's listener, from which alice accepts: before that the connection is
	// root's.
	ln := s.listen(0, "tcp", "127.0.0.1:0")
	c := s.dial(bob, "tcp", ln.Addr().String())
	const early = "<root><bob> before it was accepted"
	if _, err := c.Write([]byte(early)); err != nil {
		t.Fatal(err)
	}
	a := s.accept(alice, ln)
	s.hear(a, early)
	s.say(c, a, "<alice><bob> after it was accepted")
	s.say(a, c, "<alice><bob> and back")

	// Alice's socket, which a process of bob has: it is alice's.
	u := s.packet(alice, "127.0.0.1:0")
	w := s.packet(0, "127.0.0.1:0")
	file, err := u.File()
	if err != nil {
		t.Fatal(err)
	}
	s.do(bob, func() error {
		cmd := exec.Command("bash", "-c", `printf '<root><alice> by bob' >&3`)
		cmd.ExtraFiles = []*os.File{file}
		var connectErr error
		raw, err := u.SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) {
				connectErr = unix.Connect(int(fd), &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: w.LocalAddr().(*net.UDPAddr).Port})
			})
		}
		return errors.Join(err, connectErr, cmd.Run())
	})
	s.hear(w, "<root><alice> by bob")
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}

	// A datagram to a group, of which alice is: who gets it is not told.
	group := &net.UDPAddr{IP: net.IPv4(239, 1, 2, 3), Port: 0}
	var m *net.UDPConn
	s.do(alice, func() error {
		lo, err := net.InterfaceByName("lo")
		if err == nil {
			group.Port = 7000
			m, err = net.ListenMulticastUDP("udp4", lo, group)
		}
		return err
	})
	t.Cleanup(func() { _ = m.Close() })
	from := s.packet(bob, "127.0.0.1:0")
	raw, err := from.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var optErr error
	err = raw.Control(func(fd uintptr) {
		optErr = unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: loIndex})
	})
	if err := errors.Join(err, optErr); err != nil {
		t.Fatal(err)
	}
	const toGroup = "<bob> to a group"
	if _, err := from.WriteTo([]byte(toGroup), group); err != nil {
		t.Fatal(err)
	}
	s.hear(m, toGroup)
	v.end()
}

// TestTapRefused: who asks at a port where nobody is gets the answer, and nobody
// else does.
func TestTapRefused(t *testing.T) {
	s := newTapSpace(t)
	v := s.watch()
	ln := s.listen(alice, "tcp", "127.0.0.1:0")
	to := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	s.do(bob, func() error {
		if c, err := net.Dial("tcp", to); err == nil {
			return errors.Join(errors.New("connected"), c.Close())
		}
		return nil
	})
	// So that something was said.
	s.say2(bob)
	v.end()
	syn, rst := v.taps[bob].flags(2), v.taps[bob].flags(4)
	if syn == 0 || rst == 0 {
		t.Errorf("bob: %d SYN, %d RST", syn, rst)
	}
	if n := len(v.taps[alice].packets); n != 0 {
		t.Errorf("alice was given %d packets", n)
	}
}

// flags counts packets with a flag of TCP.
func (d *tapped) flags(f byte) int {
	n := 0
	for i := range d.packets {
		if d.packets[i].tcp&f != 0 {
			n++
		}
	}
	return n
}

// say2 has two sockets of one user talk.
func (s *space) say2(uid int) {
	s.t.Helper()
	u, w := s.packet(uid, "127.0.0.1:0"), s.packet(uid, "127.0.0.1:0")
	s.send(u, w, userName(uid)+" to "+userName(uid)+time.Now().Format(time.RFC3339Nano))
}
