// Package socket is the supervisor's duplicate of a program's socket: what the
// kernel tells of it, and a fresh socket that can take its place.
//
// It decides nothing: where the socket may lead is package route's.
package socket

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// Socket is a duplicate of a program's socket.
type Socket struct {
	FD     int
	Domain int
	// Proto is loopback.TCP (Multipath TCP included), loopback.UDP, [UDPLite], or
	// "" for what a home does not know.
	Proto loopback.Protocol
	// Foreign reports that it is of another network namespace. Proto is "" then.
	Foreign bool
	// Raw is the protocol's number (SO_PROTOCOL).
	Raw int
	// Cookie is the kernel's number of the socket (SO_COOKIE), which is never used again.
	Cookie uint64
}

// Inspect asks the kernel what a duplicate is. A descriptor that is no socket
// answers ENOTSOCK. ours is false if a home has nothing to do with it: another
// family. netns is the network namespace of the home, see [Netns].
func Inspect(fd int, netns uint64) (s Socket, ours bool, err error) {
	s.FD = fd
	if s.Domain, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil {
		return s, false, err
	}
	if s.Domain != unix.AF_INET && s.Domain != unix.AF_INET6 {
		return s, false, nil
	}
	if s.Raw, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); err != nil {
		return s, false, err
	}
	switch s.Raw {
	case unix.IPPROTO_TCP, unix.IPPROTO_MPTCP:
		s.Proto = loopback.TCP
	case unix.IPPROTO_UDP:
		s.Proto = loopback.UDP
	case unix.IPPROTO_UDPLITE:
		s.Proto = UDPLite
	}
	if s.Cookie, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE); err != nil {
		return s, false, err
	}
	if netns != 0 {
		its, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
		if err == nil && its != netns {
			// The program made a network namespace of its own: its localhost is
			// another one already. The address is still taken from our copy.
			s.Proto, s.Foreign = "", true
		}
	}
	return s, true, nil
}

// Netns returns the cookie of this process's network namespace
// (SO_NETNS_COOKIE), or zero where the kernel (before 5.14) does not tell.
func Netns() uint64 {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written to it
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return 0
	}
	return cookie
}

// UDPLite is UDP-Lite (RFC 3828), whose ports are others than UDP's.
const UDPLite loopback.Protocol = "udplite"

// IsDatagram reports whether a protocol is UDP or UDP-Lite.
func IsDatagram(p loopback.Protocol) bool { return p == loopback.UDP || p == UDPLite }

// Datagrams reports whether the socket speaks UDP or UDP-Lite.
func (s *Socket) Datagrams() bool { return IsDatagram(s.Proto) }

// Idle reports whether a TCP socket is neither connected, nor connecting, nor
// listening.
func (s *Socket) Idle() bool {
	if info, err := unix.GetsockoptTCPInfo(s.FD, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
		return info.State == unix.BPF_TCP_CLOSE
	}
	// A Multipath TCP socket that has no subflow yet does not tell.
	listens, err := unix.GetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	var a unotify.Address
	return err == nil && listens == 0 && a.Ask(unix.SYS_GETPEERNAME, s.FD) == unix.ENOTCONN
}

// Connects reports whether a connect of the socket can wait for the other end.
func (s *Socket) Connects() bool {
	switch s.Raw {
	case unix.IPPROTO_TCP, unix.IPPROTO_MPTCP, unix.IPPROTO_SCTP, unix.IPPROTO_DCCP:
		return true
	}
	return false
}

// V6Only reports whether it is an IPv6 socket that serves IPv6 only.
func (s *Socket) V6Only() bool {
	if s.Domain != unix.AF_INET6 {
		return false
	}
	v, err := unix.GetsockoptInt(s.FD, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	return err == nil && v != 0
}

// AllowIPv4 lets an IPv6-only socket reach IPv4 addresses. Only an unbound socket
// can give the option up; another one gets the kernel's own error from the next
// call.
func (s *Socket) AllowIPv4() {
	_ = unix.SetsockoptInt(s.FD, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
}

// Nonblocking reports whether the program set O_NONBLOCK.
func (s *Socket) Nonblocking() bool {
	flags, err := unix.FcntlInt(uintptr(s.FD), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_NONBLOCK != 0
}

// Local asks for the address that the socket has; port 0 is unbound.
func (s *Socket) Local() (netip.AddrPort, error) {
	var a unotify.Address
	if errno := a.Ask(unix.SYS_GETSOCKNAME, s.FD); errno != 0 {
		return netip.AddrPort{}, errno
	}
	to, ok := a.Inet(s.Domain, false, true)
	if !ok {
		return netip.AddrPort{}, unix.EAFNOSUPPORT
	}
	return to, nil
}

// Bind binds the socket to an address of the domain's form.
func (s *Socket) Bind(to netip.AddrPort) unix.Errno {
	return unotify.NewAddress(s.Domain, to).Bind(s.FD)
}

// Close closes the duplicate. The program's own descriptor tells it of errors.
func (s *Socket) Close() { _ = unix.Close(s.FD) }
