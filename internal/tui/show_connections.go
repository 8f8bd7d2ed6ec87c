package tui

import "cmp"

func connectionsView(items []connectionItem) view {
	return &list[connectionItem]{
		name: "connections", items: items,
		nothing: "no connection is open",
		cols: []column{
			{title: "CLIENT", least: 12, most: 40},
			{title: "FROM", least: 15, most: 47, drop: 5, tail: true},
			{title: "SERVER", least: 12, most: 40},
			{title: "AT", least: 15, most: 47, drop: 1, tail: true},
			{title: "STATE", least: 11, most: 11, drop: 3},
			{title: "RTT", least: 5, most: 5, drop: 4, right: true},
			{title: "OUT/s", least: 4, most: 5, right: true},
			{title: "IN/s", least: 4, most: 5, right: true},
		},
		id: func(c *connectionItem) identity { return c.id },
		cells: func(c *connectionItem, r *render) []span {
			// What is usual is not said, and the column not there without need.
			state := span{"", plain}
			if c.State != stateEstablished && c.State != stateConnected {
				state = span{c.State, warn}
			}
			return []span{
				r.end(c.Client, c.ClientHere, c.ClientAt, c.Namespace), {addressText(c.ClientAt), dim},
				r.end(c.Server, c.ServerHere, c.ServerAt, c.Namespace), {serverText(c.Protocol, c.ServerAt), plain}, state,
				{roundTripText(c.RTT), plain}, r.rate(c.Rate.Send, c.Rate.Known), r.rate(c.Rate.Receive, c.Rate.Known),
			}
		},
		about: func(c *connectionItem) subject {
			at := c.ClientAt
			if !c.ClientHere {
				at = c.ServerAt
			}
			s := subject{address: explainable(c.Protocol, at), parties: []party{c.Client, c.Server}, lodge: c.Server}
			if c.Server.Project == "" {
				s.lodge = c.Client
			}
			return s
		},
		orderings: []ordering[connectionItem]{
			{name: "traffic", marks: []string{"OUT/s", "IN/s"}, down: true, compare: func(a, b *connectionItem) int { return cmp.Compare(a.Rate.total(), b.Rate.total()) }},
			{name: "client", marks: []string{"CLIENT"}, compare: func(a, b *connectionItem) int { return compareParties(a.Client, b.Client) }},
			{name: "server", marks: []string{"SERVER"}, compare: func(a, b *connectionItem) int { return compareParties(a.Server, b.Server) }},
			{name: "port", marks: []string{"AT"}, compare: func(a, b *connectionItem) int { return cmp.Compare(a.ServerAt.Port(), b.ServerAt.Port()) }},
			{name: "state", marks: []string{"STATE"}, compare: func(a, b *connectionItem) int { return cmp.Compare(a.State, b.State) }},
			{name: "rtt", marks: []string{"RTT"}, down: true, compare: func(a, b *connectionItem) int { return cmp.Compare(a.RTT, b.RTT) }},
		},
	}
}
