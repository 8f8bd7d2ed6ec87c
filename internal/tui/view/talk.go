package view

import (
	"net/netip"
	"strconv"

	"lodge/internal/loopback"
)

// talkItem has all connections of one program to one port of another.
type talkItem struct {
	id       Identity
	Protocol loopback.Protocol
	// Client and Server have the processes of all these connections, each
	// once, the first ones first.
	Client, Server Party
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
func endName(p Party, here bool, at netip.AddrPort) string {
	if !here && len(p.Processes) == 0 {
		return at.Addr().String()
	}
	name := p.name()
	if l := p.Lodge(); l != "" {
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
				id:       Identity{a: k.client, b: k.server + "\x00" + strconv.Itoa(int(k.port)) + "\x00" + string(k.protocol) + "\x00" + k.namespace},
				Protocol: c.Protocol, ClientName: k.client, ServerName: k.server, ServerAt: c.ServerAt,
				Client: Party{Project: c.Client.Project, Service: c.Client.Service},
				Server: Party{Project: c.Server.Project, Service: c.Server.Service},
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
