package view

import (
	"net/netip"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// connectionItem is one connection, each once, with both ends where both are
// on this machine.
type connectionItem struct {
	id             Identity
	Protocol       loopback.Protocol
	State          string
	Client, Server Party
	// ClientHere and ServerHere say which ends are sockets of this machine.
	ClientHere, ServerHere bool
	ClientAt, ServerAt     netip.AddrPort
	// Rate.Send is what the client sends, Rate.Receive what it receives.
	Rate Rate
	// RTT is in microseconds, zero where it is not known.
	RTT       uint32
	Namespace string
}

// connectionItems pairs the sockets. With a filter a connection is wanted where
// either of its sockets is.
func connectionItems(ix *index, match Match) []connectionItem {
	out := make([]connectionItem, 0, len(ix.connected)/2+1)
	for i := range ix.rows {
		r := &ix.rows[i]
		if !isConnection(r) {
			continue
		}
		e := endsOf(r)
		j, paired := ix.connected[e.swapped()]
		if paired && j < i || match != nil && !match(r) && (!paired || !match(&ix.rows[j])) {
			continue
		}
		c := connectionItem{Protocol: r.Protocol, State: r.State, Namespace: namespaceText(r)}
		c.id = Identity{namespace: r.Namespace, Cookie: cookieOf(r), a: string(r.Protocol)}
		switch {
		case !paired && ix.listener(e, ownerOf(r)) >= 0: // from another machine
			c.Server, c.ServerHere, c.ServerAt, c.ClientAt = ownerOf(r), true, e.local, e.remote
			c.Client = peerOf(r)
			rate := ix.rate(i)
			c.Rate = Rate{Send: rate.Receive, Receive: rate.Send, Known: rate.Known}
			c.RTT = rttOf(r)
		case !paired:
			c.Client, c.ClientHere, c.ClientAt, c.ServerAt = ownerOf(r), true, e.local, e.remote
			c.Server = peerOf(r)
			c.Rate, c.RTT = ix.rate(i), rttOf(r)
		default:
			c.pair(ix, i, j)
		}
		c.id.Local, c.id.remote = c.ClientAt, c.ServerAt
		out = append(out, c)
	}
	return out
}

// pair fills in a connection both of whose sockets are here.
func (c *connectionItem) pair(ix *index, i, j int) {
	client, server := i, j
	if ix.serves(i, j) {
		client, server = j, i
	}
	a, b := &ix.rows[client], &ix.rows[server]
	c.id.Cookie = cookieOf(a) // whichever of the two came first
	c.Client, c.Server, c.ClientHere, c.ServerHere = ownerOf(a), ownerOf(b), true, true
	c.ClientAt, c.ServerAt = a.Local.AddrPort(), b.Local.AddrPort()
	c.Rate, c.RTT, c.State = ix.rate(client), rttOf(a), a.State
	// A half that is over shows: that is what leaks look like.
	if a.State == stateEstablished || a.State == stateConnected {
		c.State = b.State
	}
}

// serves reports whether the socket i of a pair is the server's: there is a listener
// at its address and none at the other's, or else its port is the lower one, since
// the ports of clients are high ones.
func (ix *index) serves(i, j int) bool {
	a, b := &ix.rows[i], &ix.rows[j]
	la, lb := ix.listener(endsOf(a), ownerOf(a)) >= 0, ix.listener(endsOf(b), ownerOf(b)) >= 0
	if la != lb {
		return la
	}
	return a.Local.Port < b.Local.Port
}

func rttOf(r *sockets.Row) uint32 {
	if r.TCP == nil {
		return 0
	}
	return r.TCP.RTT
}
