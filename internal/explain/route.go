package explain

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

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
func (f *Facts) lookAtRoutes() {
	f.LoDown = isLoDown()
	for _, ip := range f.connectTo() {
		if f.isLocal(ip) || f.Question.Operation == input.Bind {
			continue
		}
		errno, err := routeTo(ip)
		if err != nil {
			f.Unknown = append(f.Unknown, fmt.Sprintf("the route to %s: %v", ip, err))
			continue
		}
		if errno != 0 {
			f.Routes[ip] = errno
		}
	}
}

// noRoute is the cause of an address to which no packet can be sent.
func (f *Facts) noRoute(ip netip.Addr, errno unix.Errno) Cause {
	c := Cause{Code: NoRoute, Operation: input.Connect, Sure: true, Hint: "see which routes there are: ip route; add one, or bring the interface up that leads there"}
	switch errno {
	case unix.EACCES:
		c.Summary = fmt.Sprintf("A route of this machine prohibits connections to %s.", ip)
		c.Hint = "see it: ip route show table all type prohibit; ip rule"
	case unix.EHOSTUNREACH:
		c.Summary = fmt.Sprintf("A route of this machine marks %s as unreachable.", ip)
		c.Hint = "see it: ip route show table all type unreachable; ip rule"
	case unix.EINVAL:
		c.Summary = fmt.Sprintf("A route of this machine drops what is sent to %s (blackhole).", ip)
		c.Hint = "see it: ip route show table all type blackhole; ip rule"
	default:
		c.Summary = fmt.Sprintf("This machine has no route to %s, so nothing can be sent there.", ip)
	}
	c.Evidence = []string{fmt.Sprintf("the kernel, asked for the route to %s, says: %v", ip, error(errno))}
	if link := downLink(ip); link != "" {
		c.Evidence = append(c.Evidence, fmt.Sprintf("interface %s leads there, and is down", link))
		c.Hint = "bring it up: ip link set " + link + " up"
	}
	return c
}

// isLoDown reports whether the loopback interface is there and not up.
func isLoDown() bool {
	i, err := interfaceFlags("lo")
	return err == nil && i&unix.IFF_UP == 0
}

func interfaceFlags(name string) (uint16, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }() // only asked
	r, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r); err != nil {
		return 0, err
	}
	return r.Uint16(), nil
}

func (f *Facts) loopbackDown() Cause {
	return Cause{
		Code: LoopbackDown, Operation: input.Connect, Sure: true,
		Summary:  "The loopback interface lo is down in this network namespace, so nothing can be reached at localhost.",
		Evidence: []string{"lo lacks the flag UP"},
		Hint:     "bring it up: ip link set lo up",
	}
}
