package tui

import (
	"net/netip"
	"strconv"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// talkItem is who talks to whom: all connections of one program to one port of
// another.
type talkItem struct {
	id       identity
	Protocol loopback.Protocol
	// Client and Server have the processes of all these connections, each
	// once, the first ones first.
	Client, Server party
	// ClientName is the program, or the address of another machine;
	// ServerName likewise.
	ClientName, ServerName string
	// ServerAt is where the server is reached; its address is invalid where
	// the connections differ in it, and then only the port counts.
	ServerAt    netip.AddrPort
	Connections int
	Rate        Rate
	// RTT is the longest, in microseconds.
	RTT uint32
}

// endName names one end: the program and lodge's name for it, or the other
// machine's address.
func endName(p party, here bool, at netip.AddrPort) string {
	if !here && len(p.Processes) == 0 {
		return at.Addr().String()
	}
	name := p.name()
	if l := p.lodge(); l != "" {
		return name + " " + l
	}
	return name
}

func talkItems(cs []connectionItem) []talkItem {
	type pair struct {
		protocol       loopback.Protocol
		client, server string
		port           uint16
		namespace      string
	}
	at := map[pair]int{}
	var out []talkItem
	for i := range cs {
		c := &cs[i]
		k := pair{c.Protocol, endName(c.Client, c.ClientHere, c.ClientAt), endName(c.Server, c.ServerHere, c.ServerAt), c.ServerAt.Port(), c.Namespace}
		n, ok := at[k]
		if !ok {
			n = len(out)
			at[k] = n
			out = append(out, talkItem{
				id:       identity{a: k.client, b: k.server + "\x00" + strconv.Itoa(int(k.port)) + "\x00" + string(k.protocol) + "\x00" + k.namespace},
				Protocol: c.Protocol, ClientName: k.client, ServerName: k.server, ServerAt: c.ServerAt,
				Client: party{Project: c.Client.Project, Service: c.Client.Service},
				Server: party{Project: c.Server.Project, Service: c.Server.Service},
			})
		}
		t := &out[n]
		t.Connections++
		t.Rate.add(c.Rate)
		t.RTT = max(t.RTT, c.RTT)
		if t.ServerAt != c.ServerAt {
			t.ServerAt = netip.AddrPortFrom(netip.Addr{}, c.ServerAt.Port())
		}
		t.Client.join(c.Client)
		t.Server.join(c.Server)
	}
	return out
}

// processesShown bounds what one line of an overview keeps for the prompt that
// ends processes.
const processesShown = 64

// join adds the processes of o that are not there yet.
func (p *party) join(o party) {
	p.Unknown = p.Unknown || o.Unknown
	for _, q := range o.Processes {
		if len(p.Processes) < processesShown && !hasProcess(p.Processes, q) {
			p.Processes = append(p.Processes, q)
		}
	}
}

func hasProcess(ps []*sockets.Process, p *sockets.Process) bool {
	for _, q := range ps {
		if q.PID == p.PID && q.Start == p.Start {
			return true
		}
	}
	return false
}
