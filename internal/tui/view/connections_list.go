package view

import (
	"cmp"

	"lodge/internal/tui/screen"
)

func connectionsView(items []connectionItem) List {
	return &list[connectionItem]{
		name: "connections", items: items,
		nothing: "no connection is open",
		cols: []Column{
			{Title: "CLIENT", least: 12, most: 40},
			{Title: "FROM", least: 15, most: 47, drop: 5, tail: true},
			{Title: "SERVER", least: 12, most: 40},
			{Title: "AT", least: 15, most: 47, drop: 1, tail: true},
			{Title: "STATE", least: 11, most: 11, drop: 3},
			{Title: "RTT", least: 5, most: 5, drop: 4, right: true},
			{Title: "OUT/s", least: 4, most: 5, right: true},
			{Title: "IN/s", least: 4, most: 5, right: true},
		},
		id: func(c *connectionItem) Identity { return c.id },
		cells: func(c *connectionItem, r *Render) []screen.Span {
			// An open connection has no text here, so that the column is left out if all are.
			state := screen.Plain.Span("")
			if c.State != stateEstablished && c.State != stateConnected {
				state = screen.Warn.Span(c.State)
			}
			return []screen.Span{
				r.end(c.Client, c.ClientHere, c.ClientAt, c.Namespace), screen.Dim.Span(addressText(c.ClientAt)),
				r.end(c.Server, c.ServerHere, c.ServerAt, c.Namespace), screen.Plain.Span(serverText(c.Protocol, c.ServerAt)), state,
				screen.Plain.Span(roundTripText(c.RTT)), r.rate(c.Rate.Send, c.Rate.Known), r.rate(c.Rate.Receive, c.Rate.Known),
			}
		},
		about: func(c *connectionItem) Subject {
			at := c.ClientAt
			if !c.ClientHere {
				at = c.ServerAt
			}
			s := Subject{Address: explainable(c.Protocol, at), Parties: []Party{c.Client, c.Server}, Lodge: c.Server}
			if c.Server.Project == "" {
				s.Lodge = c.Client
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
