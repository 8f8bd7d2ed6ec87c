package facts

import (
	"net/netip"
	"slices"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// Listens reports whether a socket waits for others: a TCP listener, or a UDP
// socket without a peer.
func Listens(r *sockets.Row) bool {
	return r.Local != nil && (r.State == "listen" || r.Protocol == loopback.UDP && r.State == "bound")
}

// Overlaps reports whether a bind to ip and r's address get into each other's way:
// one of them reaches the other.
func Overlaps(r *sockets.Row, ip netip.Addr) bool {
	if r.Covers(ip) {
		return true
	}
	if !ip.IsUnspecified() {
		return false
	}
	own := r.Local.IP.Unmap()
	// A socket bound to :: has IPv4 as well, unless it asks for IPv6 only.
	return ip.Is6() || own.Is4()
}

// Closing reports whether a socket is one that the kernel keeps after the program
// has closed it.
func Closing(r *sockets.Row) bool {
	switch r.State {
	case "time_wait":
		return true
	case "fin_wait_1", "fin_wait_2", "last_ack", "closing":
		return len(r.Processes) == 0 && !r.Unknown
	}
	return false
}

// Other is the other of TCP and UDP.
func Other(p loopback.Protocol) loopback.Protocol {
	if p == loopback.UDP {
		return loopback.TCP
	}
	return loopback.UDP
}

// At returns the sockets with the port as their own, of the protocol that
// matters, for which keep says so.
func (f *Facts) At(keep func(*sockets.Row) bool) []*sockets.Row { return f.Of(f.Protocol(), keep) }

// Of is at for a protocol.
func (f *Facts) Of(proto loopback.Protocol, keep func(*sockets.Row) bool) []*sockets.Row {
	var out []*sockets.Row
	for i := range f.Rows {
		r := &f.Rows[i]
		if r.Local != nil && r.Protocol == proto && (!f.Question.HasPort || r.Local.Port == f.Question.Port || r.RealPort == f.Question.Port && r.RealPort != 0) && keep(r) {
			out = append(out, r)
		}
	}
	return out
}

// Listeners returns the sockets that would get a connection to ip.
func (f *Facts) Listeners(ip netip.Addr) []*sockets.Row {
	if inside := f.Home(ip); len(inside) > 0 {
		rows := f.At(func(r *sockets.Row) bool { return Listens(r) && slices.Contains(inside, r.Local.IP) })
		if len(rows) > 0 || f.Inside.Isolation == loopback.Strict {
			return rows
		}
	}
	all := f.At(func(r *sockets.Row) bool { return Listens(r) && r.Covers(ip) && reached(f, r) })
	// The kernel takes the most exact one (compute_score of inet_hashtables).
	var exact []*sockets.Row
	for _, r := range all {
		if !r.Local.IP.IsUnspecified() {
			exact = append(exact, r)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return all
}

// reached reports whether the port that is asked about leads to a socket from
// here: one at ::1 inside a home of the seccomp engine has another port outside.
func reached(f *Facts, r *sockets.Row) bool {
	return r.RealPort == 0 || !f.Question.HasPort || r.RealPort == f.Question.Port || f.Inside != nil && r.Project == f.Inside.Name
}

// IsClient reports whether a connection was made from here: a socket listens at
// its far end, or the far end is not this machine's and the port is one that
// the kernel gives to outgoing connections.
func (f *Facts) IsClient(r *sockets.Row) bool {
	if r.Remote == nil {
		return false
	}
	if l, known := f.Listened[netip.AddrPortFrom(r.Remote.IP.WithZone(""), r.Remote.Port)]; known {
		return l
	}
	return f.Kernel.IsEphemeral(r.Local.Port)
}

// Listening are the sockets that wait for others on what was asked for.
func (f *Facts) Listening() []*sockets.Row {
	var out []*sockets.Row
	for i := range f.Rows {
		r := &f.Rows[i]
		if !Listens(r) || f.Question.HasPort && r.Local.Port != f.Question.Port {
			continue
		}
		if f.Question.Protocol != "" && r.Protocol != f.Question.Protocol {
			continue
		}
		if n := f.Name; n != nil && n.Service != nil && !f.Question.HasPort && r.Service != n.Service.Name {
			continue // the home is all of the project's
		}
		if len(f.Targets) == 0 || slices.ContainsFunc(f.Targets, func(ip netip.Addr) bool { return Overlaps(r, ip) || slices.Contains(f.Home(ip), r.Local.IP) }) {
			out = append(out, r)
		}
	}
	return out
}

// Connections are the sockets with a peer whose near end is what was asked
// for, or whose far end is and is not of this machine.
func (f *Facts) Connections() []*sockets.Row {
	var out []*sockets.Row
	if !f.Question.HasPort {
		return out
	}
	is := func(a *sockets.Address) bool {
		return a.Port == f.Question.Port && (len(f.Targets) == 0 || slices.ContainsFunc(f.Targets, func(ip netip.Addr) bool {
			return ip.IsUnspecified() || ip.Unmap() == a.IP.Unmap() || slices.Contains(f.Home(ip), a.IP)
		}))
	}
	for i := range f.Rows {
		r := &f.Rows[i]
		if r.Remote == nil || r.Local == nil || Listens(r) || f.Question.Protocol != "" && r.Protocol != f.Question.Protocol {
			continue
		}
		if is(r.Local) || is(r.Remote) && !f.IsLocal(r.Remote.IP) {
			out = append(out, r)
		}
	}
	return out
}

// UnixListeners are the sockets that take connections, or datagrams, at the path.
func (f *Facts) UnixListeners() []*sockets.Row {
	var out []*sockets.Row
	for i := range f.Rows {
		if r := &f.Rows[i]; r.Path != "" && (r.State == "listen" || r.State == "bound" && r.Type == "datagram") {
			out = append(out, r)
		}
	}
	return out
}
