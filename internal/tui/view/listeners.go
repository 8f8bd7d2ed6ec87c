package view

import (
	"net/netip"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// anyRemote stands for the remote end in the key of a listener.
var anyRemote = netip.AddrPort{}

// wildcards are the addresses at which a listener also gets what is sent to
// e.local: all of IPv4 and all of IPv6, which serves IPv4 too unless it is told
// not to.
func wildcards(e ends) []ends {
	port := e.local.Port()
	v6 := e
	v6.local = netip.AddrPortFrom(netip.IPv6Unspecified(), port)
	if e.local.Addr().Is6() {
		return []ends{v6}
	}
	v4 := e
	v4.local = netip.AddrPortFrom(netip.IPv4Unspecified(), port)
	return []ends{v4, v6}
}

// listenerItem is one line of the listeners.
type listenerItem struct {
	id       Identity
	Protocol loopback.Protocol
	Address  netip.AddrPort
	Scope    loopback.Scope
	Owner    Party
	// Connections that came to it and are open; their traffic, as the
	// listener's side sees it.
	Connections int
	Rate        Rate
	// Backlog are connections that wait for accept, of BacklogLimit; nil for
	// UDP.
	Backlog, BacklogLimit *uint32
	Namespace             string
}

func listenerItems(ix *index, match Match) []listenerItem {
	at := map[int]int{} // of a row, in out
	var out []listenerItem
	for i := range ix.rows {
		r := &ix.rows[i]
		if !isListener(r) || match != nil && !match(r) {
			continue
		}
		at[i] = len(out)
		out = append(out, listenerItem{
			id:       Identity{namespace: r.Namespace, Local: r.Local.AddrPort(), Cookie: cookieOf(r), a: string(r.Protocol)},
			Protocol: r.Protocol, Address: r.Local.AddrPort(), Scope: r.Scope, Owner: ownerOf(r),
			Backlog: r.Backlog, BacklogLimit: r.BacklogLimit, Namespace: namespaceText(r),
		})
	}
	for _, i := range ix.connected {
		r := &ix.rows[i]
		l := ix.listener(endsOf(r), ownerOf(r))
		if n, ok := at[l]; ok {
			out[n].Connections++
			out[n].Rate.add(ix.rate(i))
		}
	}
	return out
}

// namespaceText names another network namespace than lodge's own.
func namespaceText(r *sockets.Row) string {
	if r.Namespace == 0 {
		return ""
	}
	if r.NamespaceName != "" {
		return r.NamespaceName
	}
	return "another"
}
