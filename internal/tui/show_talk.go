package tui

import (
	"cmp"
	"strings"
)

func talkView(items []talkItem) view {
	return &list[talkItem]{
		name: "talk", items: items,
		nothing: "nobody talks",
		cols: []column{
			{title: "CLIENT", least: 10, most: 40},
			{title: "SERVER", least: 10, most: 40},
			{title: "AT", least: 15, most: 47, drop: 1, tail: true},
			{title: "CONN", least: 4, most: 6, right: true},
			{title: "RTT", least: 5, most: 5, drop: 2, right: true},
			{title: "OUT/s", least: 4, most: 5, right: true},
			{title: "IN/s", least: 4, most: 5, right: true},
		},
		id: func(t *talkItem) identity { return t.id },
		cells: func(t *talkItem, r *render) []span {
			return []span{
				r.cell(t.ClientName, plain), r.cell(t.ServerName, plain), {serverText(t.Protocol, t.ServerAt), plain},
				number(t.Connections), {roundTripText(t.RTT), plain}, r.rate(t.Rate.Send, t.Rate.Known), r.rate(t.Rate.Receive, t.Rate.Known),
			}
		},
		about: func(t *talkItem) subject {
			s := subject{address: explainable(t.Protocol, t.ServerAt), parties: []party{t.Client, t.Server}, lodge: t.Server}
			if t.Server.Project == "" {
				s.lodge = t.Client
			}
			if !t.ServerAt.Addr().IsValid() {
				s.address = strings.TrimPrefix(serverText(t.Protocol, t.ServerAt), "*")
			}
			return s
		},
		orderings: []ordering[talkItem]{
			{name: "traffic", marks: []string{"OUT/s", "IN/s"}, down: true, compare: func(a, b *talkItem) int { return cmp.Compare(a.Rate.total(), b.Rate.total()) }},
			{name: "connections", marks: []string{"CONN"}, down: true, compare: func(a, b *talkItem) int { return cmp.Compare(a.Connections, b.Connections) }},
			{name: "client", marks: []string{"CLIENT"}, compare: func(a, b *talkItem) int { return cmp.Compare(a.ClientName, b.ClientName) }},
			{name: "server", marks: []string{"SERVER"}, compare: func(a, b *talkItem) int { return cmp.Compare(a.ServerName, b.ServerName) }},
			{name: "port", marks: []string{"AT"}, compare: func(a, b *talkItem) int { return cmp.Compare(a.ServerAt.Port(), b.ServerAt.Port()) }},
		},
	}
}
