package words

import (
	"fmt"
	"net/netip"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/sockets"
)

// Own writes a socket's own address, a wildcard as what it means.
func Own(r *sockets.Row) string {
	if r.Local == nil {
		return Printable(r.Path)
	}
	ip := r.Local.IP
	if r.RealPort != 0 {
		return fmt.Sprintf("%s (inside; from outside it is port %d)", r.Local.AddrPort(), r.RealPort)
	}
	if !ip.IsUnspecified() {
		return r.Local.AddrPort().String()
	}
	all := "all addresses"
	switch {
	case ip.Is4():
		all = "all IPv4 addresses"
	case r.V6Only:
		all = "all IPv6 addresses"
	case r.Source == sockets.SourceProc:
		all = "all IPv6 addresses, and IPv4 unless IPV6_V6ONLY is set"
	}
	return fmt.Sprintf("%s (%s)", r.Local.AddrPort(), all)
}

// Dial writes the address by which a listener is reached from this machine.
func Dial(r *sockets.Row) string {
	ip, port := r.Local.IP, r.Local.Port
	switch {
	case ip.IsUnspecified() && ip.Is4():
		ip = facts.Loopback4
	case ip.IsUnspecified():
		ip = netip.IPv6Loopback()
	}
	if r.RealPort != 0 {
		port = r.RealPort
	}
	return netip.AddrPortFrom(ip, port).String()
}

// Far writes the far end of a connection with its process.
func Far(r *sockets.Row) string {
	if r.Peer != nil && len(r.Peer.Processes) > 0 {
		return Processes(r.Peer.Processes) + " at " + r.Remote.AddrPort().String()
	}
	return r.Remote.AddrPort().String()
}

// Line writes a socket in one line of evidence.
func Line(f *facts.Facts, r *sockets.Row) string {
	var s string
	switch {
	case r.Remote != nil:
		s = fmt.Sprintf("%s -> %s, %s", r.Local.AddrPort(), r.Remote.AddrPort(), State(r.State))
	default:
		s = fmt.Sprintf("%s, %s", Own(r), State(r.State))
	}
	if len(r.Processes) > 0 || r.Unknown || r.Closed != nil {
		s += ": " + strings.TrimSuffix(Holder(f, r), ",")
	}
	return s
}

// State writes a state as people know it.
func State(s string) string {
	switch s {
	case "listen":
		return "listens"
	case "bound":
		return "bound"
	case "established":
		return "connected"
	}
	return strings.ToUpper(s)
}

// Endpoint writes an address with the port that was asked for.
func Endpoint(f *facts.Facts, ip netip.Addr) string {
	return netip.AddrPortFrom(ip, f.Question.Port).String()
}

// Subject names what was asked about.
func Subject(f *facts.Facts) string {
	switch {
	case f.Question.Name != "":
		return fmt.Sprintf("%s:%d", f.Question.Name, f.Question.Port)
	case len(f.Targets) > 0:
		return Endpoint(f, f.Targets[0])
	}
	return fmt.Sprintf("port %d", f.Question.Port)
}

func Namespace(r *sockets.Row) string {
	if r.NamespaceName != "" {
		return r.NamespaceName
	}
	return fmt.Sprint(r.Namespace)
}

// SpaceName returns what a network namespace is called.
func SpaceName(n sockets.Namespace) string {
	if n.Name != "" {
		return "network namespace " + n.Name
	}
	return fmt.Sprintf("network namespace %d", n.Inode)
}
