package bind

import (
	"net/netip"
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/loopback"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// holders are the sockets in the way of a bind, by how they hold the port.
type holders struct {
	held    []*sockets.Row // listen, or are bound
	homes   []*sockets.Row // the same, inside homes that the question is not about
	self    []*sockets.Row // connected to themselves
	taken   []*sockets.Row // the client's end of a connection
	left    []*sockets.Row // the server's end, without a server
	waiting []*sockets.Row // closed, and kept by the kernel
	// serves reports that a socket listens, and so holds the port anyway.
	serves bool
}

// holdersOf sorts the sockets that are in the way.
func holdersOf(f *facts.Facts) holders {
	to := f.BindTo()
	rows := inTheWay(f, func(r *sockets.Row) bool {
		return slices.ContainsFunc(to, func(ip netip.Addr) bool {
			return facts.Overlaps(r, ip) || f.RowProject(r) != "" && loopback.IsLocalhost(ip)
		})
	})
	var h holders
	h.serves = slices.ContainsFunc(rows, func(r *sockets.Row) bool {
		return facts.Listens(r) && (f.RowProject(r) == "" || asksForHome(f, r))
	})
	for _, r := range rows {
		open := facts.Listens(r) || r.State == "bound"
		switch {
		case f.RowProject(r) != "" && !asksForHome(f, r):
			if open {
				h.homes = append(h.homes, r)
			}
		case open:
			h.held = append(h.held, r)
		case r.Remote != nil && *r.Remote == *r.Local:
			h.self = append(h.self, r)
		case facts.Closing(r):
			h.waiting = append(h.waiting, r)
		case h.serves:
			// A connection of the server that holds the port anyway.
		case f.IsClient(r):
			h.taken = append(h.taken, r)
		default:
			h.left = append(h.left, r)
		}
	}
	return h
}

// inTheWay is facts.At for a bind. Where the protocol was not said, sockets of UDP
// count too, if none of TCP does.
func inTheWay(f *facts.Facts, keep func(*sockets.Row) bool) []*sockets.Row {
	rows := f.At(keep)
	if f.Question.Protocol != "" || slices.ContainsFunc(rows, func(r *sockets.Row) bool { return facts.Listens(r) || r.State == "bound" }) {
		return rows
	}
	if f.Question.Operation != model.Bind {
		return rows
	}
	return append(rows, f.Of(facts.Other(f.Protocol()), func(r *sockets.Row) bool { return facts.Listens(r) && keep(r) })...)
}

// asksForHome reports whether the question is about the home that a socket is in.
func asksForHome(f *facts.Facts, r *sockets.Row) bool {
	return slices.ContainsFunc(f.BindTo(), func(ip netip.Addr) bool { return f.InSameHome(r, ip) })
}
