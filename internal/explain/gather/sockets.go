package gather

import (
	"context"
	"net/netip"
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
	"lodge/internal/sockets/diag"
)

// listSockets reads the sockets that bear on the input. The kernel finds listeners
// by their port, but for connections it goes through all that there are, and
// for sockets that are only bound through all ports: what is not needed for the
// answer is not asked for.
func listSockets(ctx context.Context, f *facts.Facts, src Source) error {
	base := sockets.Query{Details: true, Quick: true, Hints: new(sockets.Hints), Homes: src.Homes, Live: src.Live}
	switch {
	case f.Question.HasPort && f.Question.Port == 0:
		return nil // no socket has it
	case f.Question.HasPort:
		base.Filter.Ports = []uint16{f.Question.Port}
	case len(f.Targets) > 0:
		for _, ip := range append(slices.Clone(f.Targets), netip.IPv4Unspecified(), netip.IPv6Unspecified()) {
			base.Filter.Addresses = append(base.Filter.Addresses, netip.PrefixFrom(ip.WithZone(""), ip.BitLen()))
		}
	default:
		return nil // a name that means nothing here
	}
	if f.Question.Protocol != loopback.UDP {
		q, near := base, sockets.Query{}
		q.Protocols, q.States = []string{"tcp"}, []string{"listen"}
		if f.Question.HasPort {
			first := q
			first.NoProcesses = true
			if err := list(ctx, f, first); err != nil {
				return err
			}
			rest := statesToRead(f)
			if isServed(f) {
				q.Filter.Addresses = nearAddresses(f) // who listens elsewhere does not matter
			}
			f.Rows = nil
			if len(rest) > 0 {
				near = base
				near.Protocols, near.States, near.Filter.Addresses = q.Protocols, rest, nearAddresses(f)
			}
		}
		if err := list(ctx, f, q); err != nil {
			return err
		}
		if len(near.States) > 0 {
			if err := list(ctx, f, near); err != nil {
				return err
			}
		}
	}
	// A server of UDP on a port for which a program of TCP fails is worth a word.
	if f.Question.Protocol != loopback.TCP || f.Question.Operation != "" && f.Question.HasPort {
		q := base
		q.Protocols = []string{"udp"}
		if !f.Question.HasPort {
			q.States = []string{"bound"}
		}
		if err := list(ctx, f, q); err != nil {
			return err
		}
	}
	if !f.Question.HasPort {
		return nil
	}
	if err := lookUpFarEnds(f); err != nil {
		return err
	}
	somebody := slices.ContainsFunc(f.ConnectTo(), func(ip netip.Addr) bool { return len(f.Listeners(ip)) > 0 })
	if somebody || f.Question.Operation == input.Bind {
		return nil
	}
	q := base
	q.AllNamespaces, q.Protocols, q.States = true, []string{"tcp"}, []string{"listen"}
	if f.Protocol() == loopback.UDP {
		q.Protocols, q.States = []string{"udp"}, []string{"bound"}
	}
	t, err := sockets.List(ctx, q)
	if err != nil {
		return err
	}
	for _, w := range t.Warnings {
		if !slices.Contains(f.Unknown, w) {
			f.Unseen = append(f.Unseen, w)
		}
	}
	for _, r := range t.Rows {
		if r.Namespace != 0 && r.Local != nil && r.Local.Port == f.Question.Port && mayBeMeant(f, r.Local.IP) {
			f.Elsewhere = append(f.Elsewhere, r)
		}
	}
	return nil
}

// list adds what a query finds to the rows.
func list(ctx context.Context, f *facts.Facts, q sockets.Query) error {
	t, err := sockets.List(ctx, q)
	if err != nil {
		return err
	}
	f.Rows = append(f.Rows, t.Rows...)
	for _, w := range t.Warnings {
		if !slices.Contains(f.Unknown, w) {
			f.Unknown = append(f.Unknown, w)
		}
	}
	return nil
}

// statesToRead reports which TCP sockets must be read beside those that listen, now that
// these are known.
func statesToRead(f *facts.Facts) []string {
	plain := f.Question.Operation == ""
	switch {
	case f.Question.Operation == input.Bind && slices.ContainsFunc(f.BindTo(), func(ip netip.Addr) bool {
		return len(f.At(func(r *sockets.Row) bool { return facts.Overlaps(r, ip) })) > 0
	}):
		return nil // the listener is in the way, whatever else is there
	case f.Question.Operation == input.Connect && len(f.Rows) > 0 && f.Question.Errno != "EADDRNOTAVAIL":
		return nil
	case plain && len(f.Rows) > 0 || f.Question.Errno == "EADDRNOTAVAIL":
		return slices.DeleteFunc(sockets.States(), func(s string) bool { return s == "listen" || s == "bound" || s == "connected" })
	}
	return slices.DeleteFunc(sockets.States(), func(s string) bool { return s == "listen" || s == "connected" })
}

// isServed reports whether a socket listens on each address that is meant.
func isServed(f *facts.Facts) bool {
	return !slices.ContainsFunc(f.ConnectTo(), func(ip netip.Addr) bool { return len(f.Listeners(ip)) == 0 })
}

// nearAddresses returns the addresses of connections that can bear on the input; none is
// all. Listening sockets matter at every address, but a port may have thousands
// of connections at other addresses.
func nearAddresses(f *facts.Facts) []netip.Prefix {
	if len(f.Targets) == 0 || slices.ContainsFunc(f.Targets, netip.Addr.IsUnspecified) {
		return nil
	}
	var out []netip.Prefix
	for _, ip := range append(slices.Concat(f.Targets, f.BindTo()), netip.IPv4Unspecified(), netip.IPv6Unspecified()) {
		out = append(out, netip.PrefixFrom(ip.WithZone(""), ip.BitLen()))
	}
	if f.Question.Operation == input.Bind && slices.ContainsFunc(f.Targets, loopback.IsLocalhost) {
		out = append(out, loopback.HomeRange, loopback.Home6Range) // where localhost may be meant
	}
	return out
}

// mayBeMeant reports whether a server at ip in another network namespace may be
// the one that was looked for: not one at a loopback address of its own, such as
// a home's, where another was asked for.
func mayBeMeant(f *facts.Facts, ip netip.Addr) bool {
	ip = ip.Unmap()
	return !ip.IsLoopback() || loopback.IsLocalhost(ip) || slices.Contains(f.ConnectTo(), ip)
}

// lookUpFarEnds asks whether a socket listens at the far ends of the connections
// whose near end has the port.
func lookUpFarEnds(f *facts.Facts) error {
	c, err := diag.Open()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // only asked
	for i := range f.Rows {
		r := &f.Rows[i]
		if r.Remote == nil || r.Local.Port != f.Question.Port || r.Protocol != loopback.TCP || !f.IsLocal(r.Remote.IP) {
			continue
		}
		at := netip.AddrPortFrom(r.Remote.IP.WithZone(""), r.Remote.Port)
		if _, known := f.Listened[at]; known {
			continue
		}
		if len(f.Listened) >= maxPeers {
			return nil
		}
		s, ok, err := c.Lookup(loopback.TCP, at)
		if err != nil {
			return err
		}
		f.Listened[at] = ok && s.State == diag.StateListen
	}
	return nil
}
