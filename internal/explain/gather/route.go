package gather

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/input"
)

// routeTo asks the kernel which way it would send packets to an address
// (rtnetlink(7), RTM_GETROUTE), and returns the error that a connection would
// meet: nil where there is a way. Nothing is sent.
func routeTo(ip netip.Addr) (unix.Errno, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(fd) }() // only asked
	if err := unix.Sendto(fd, routeQuestion(ip), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, os.NewSyscallError("sendto", err)
	}
	b := make([]byte, 8<<10)
	n, _, err := unix.Recvfrom(fd, b, 0)
	if err != nil {
		return 0, os.NewSyscallError("recvfrom", err)
	}
	return routeAnswer(b[:n])
}

// routeQuestion writes struct nlmsghdr, struct rtmsg and RTA_DST.
func routeQuestion(ip netip.Addr) []byte {
	addr := ip.Unmap().AsSlice()
	n := unix.SizeofNlMsghdr + unix.SizeofRtMsg + unix.SizeofRtAttr + len(addr)
	b := make([]byte, n)
	e := binary.NativeEndian
	e.PutUint32(b, uint32(n))
	e.PutUint16(b[4:], unix.RTM_GETROUTE)
	e.PutUint16(b[6:], unix.NLM_F_REQUEST)
	m := b[unix.SizeofNlMsghdr:]
	m[0], m[1] = unix.AF_INET, byte(8*len(addr))
	if len(addr) == 16 {
		m[0] = unix.AF_INET6
	}
	a := m[unix.SizeofRtMsg:]
	e.PutUint16(a, uint16(unix.SizeofRtAttr+len(addr)))
	e.PutUint16(a[2:], unix.RTA_DST)
	copy(a[unix.SizeofRtAttr:], addr)
	return b
}

// routeAnswer reads an error, or the type of the route: an address of IPv6 may
// have one that is an error.
func routeAnswer(b []byte) (unix.Errno, error) {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil || len(messages) == 0 {
		return 0, fmt.Errorf("read route: %w", syscall.EBADMSG)
	}
	switch m := messages[0]; {
	case m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4:
		return unix.Errno(-int32(binary.NativeEndian.Uint32(m.Data))), nil
	case m.Header.Type == unix.RTM_NEWROUTE && len(m.Data) >= unix.SizeofRtMsg:
		switch m.Data[7] {
		case unix.RTN_UNREACHABLE:
			return unix.EHOSTUNREACH, nil
		case unix.RTN_PROHIBIT:
			return unix.EACCES, nil
		case unix.RTN_BLACKHOLE:
			return unix.EINVAL, nil
		}
	}
	return 0, nil
}

// lookAtRoutes asks for the routes to the addresses that are not this machine's,
// and whether lo is up.
func lookAtRoutes(f *facts.Facts) {
	f.LoDown = isLoDown()
	for _, ip := range f.ConnectTo() {
		if f.IsLocal(ip) || f.Question.Operation == input.Bind {
			continue
		}
		errno, err := routeTo(ip)
		if err != nil {
			f.Unknown = append(f.Unknown, fmt.Sprintf("the route to %s: %v", ip, err))
			continue
		}
		if errno != 0 {
			f.Routes[ip] = route(ip, errno)
		}
	}
}

// route says what an error of the kernel's answer means.
func route(ip netip.Addr, errno unix.Errno) facts.Route {
	r := facts.Route{Type: "none", Err: error(errno).Error(), DownLink: downLink(ip)}
	switch errno {
	case unix.EACCES:
		r.Type = "prohibit"
	case unix.EHOSTUNREACH:
		r.Type = "unreachable"
	case unix.EINVAL:
		r.Type = "blackhole"
	}
	return r
}
