package view

import (
	"cmp"
	"strings"

	"lodge/internal/tui/screen"
)

func talkView(items []talkItem) List {
	return &list[talkItem]{
		name: "talk", items: items,
		nothing: "nobody talks",
		cols: []Column{
			{Title: "CLIENT", least: 10, most: 40},
			{Title: "SERVER", least: 10, most: 40},
			{Title: "AT", least: 15, most: 47, drop: 1, tail: true},
			{Title: "CONN", least: 4, most: 6, right: true},
			{Title: "RTT", least: 5, most: 5, drop: 2, right: true},
			{Title: "OUT/s", least: 4, most: 5, right: true},
			{Title: "IN/s", least: 4, most: 5, right: true},
		},
		id: func(t *talkItem) Identity { return t.id },
		cells: func(t *talkItem, r *Render) []screen.Span {
			return []screen.Span{
				r.cell(t.ClientName, screen.Plain), r.cell(t.ServerName, screen.Plain), screen.Plain.Span(serverText(t.Protocol, t.ServerAt)),
				number(t.Connections), screen.Plain.Span(roundTripText(t.RTT)), r.rate(t.Rate.Send, t.Rate.Known), r.rate(t.Rate.Receive, t.Rate.Known),
			}
		},
		about: func(t *talkItem) Subject {
			s := Subject{Address: explainable(t.Protocol, t.ServerAt), Parties: []Party{t.Client, t.Server}, Lodge: t.Server}
			if t.Server.Project == "" {
				s.Lodge = t.Client
			}
			if !t.ServerAt.Addr().IsValid() {
				s.Address = strings.TrimPrefix(serverText(t.Protocol, t.ServerAt), "*")
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
