package seccomphome

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// socket is our duplicate of a program's socket.
type socket struct {
	fd     int
	domain int
	// proto is loopback.TCP (Multipath TCP included), loopback.UDP, udpLite, or
	// "" for what a home does not know.
	proto loopback.Protocol
	// foreign is of another network namespace. proto is "" then.
	foreign bool
	// raw is the protocol's number.
	raw    int
	cookie uint64
}

// inspect asks the kernel what a duplicate is. A descriptor that is no socket
// answers ENOTSOCK. ours is false if a home has nothing to do with it: another
// family, or a socket of another network namespace.
func (h *Home) inspect(fd int) (s socket, ours bool, err error) {
	s.fd = fd
	if s.domain, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil {
		return s, false, err
	}
	if s.domain != unix.AF_INET && s.domain != unix.AF_INET6 {
		return s, false, nil
	}
	if s.raw, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); err != nil {
		return s, false, err
	}
	switch s.raw {
	case unix.IPPROTO_TCP, unix.IPPROTO_MPTCP:
		s.proto = loopback.TCP
	case unix.IPPROTO_UDP:
		s.proto = loopback.UDP
	case unix.IPPROTO_UDPLITE:
		s.proto = udpLite
	}
	if s.cookie, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE); err != nil {
		return s, false, err
	}
	if h.netns != 0 {
		netns, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
		if err == nil && netns != h.netns {
			// The program made a network namespace of its own: its localhost is
			// another one already. The address is still taken from our copy.
			s.proto, s.foreign = "", true
		}
	}
	return s, true, nil
}

// udpLite is UDP-Lite (RFC 3828), whose ports are others than UDP's.
const udpLite loopback.Protocol = "udplite"

func isDatagram(p loopback.Protocol) bool { return p == loopback.UDP || p == udpLite }

// datagrams reports whether the socket speaks UDP or UDP-Lite.
func (s *socket) datagrams() bool { return isDatagram(s.proto) }

// idle reports whether a TCP socket is neither connected, nor on the way to
// it, nor listening.
func (s *socket) idle() bool {
	if info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
		return info.State == unix.BPF_TCP_CLOSE
	}
	// A Multipath TCP socket that has no subflow yet does not tell.
	listens, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	var a unotify.Address
	return err == nil && listens == 0 && a.Ask(unix.SYS_GETPEERNAME, s.fd) == unix.ENOTCONN
}

// connects reports whether a connect of the socket can wait for the other end.
func (s *socket) connects() bool {
	switch s.raw {
	case unix.IPPROTO_TCP, unix.IPPROTO_MPTCP, unix.IPPROTO_SCTP, unix.IPPROTO_DCCP:
		return true
	}
	return false
}

func (s *socket) v6only() bool {
	if s.domain != unix.AF_INET6 {
		return false
	}
	v, err := unix.GetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	return err == nil && v != 0
}

func (s *socket) nonblocking() bool {
	flags, err := unix.FcntlInt(uintptr(s.fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_NONBLOCK != 0
}

// local asks for the address that the socket has; port 0 is unbound.
func (s *socket) local() (netip.AddrPort, error) {
	var a unotify.Address
	if errno := a.Ask(unix.SYS_GETSOCKNAME, s.fd); errno != 0 {
		return netip.AddrPort{}, errno
	}
	to, ok := a.Inet(s.domain, false, true)
	if !ok {
		return netip.AddrPort{}, unix.EAFNOSUPPORT
	}
	return to, nil
}

func (s *socket) close() {
	_ = unix.Close(s.fd) // a duplicate: the program's own tells it of errors
}
