package tui

import (
	"cmp"
	"strconv"

	"lodge/internal/loopback"
)

func listenersView(items []listenerItem) view {
	return &list[listenerItem]{
		name: "listeners", items: items,
		nothing: "nothing listens",
		cols: []column{
			{title: "ADDRESS", least: 16, most: 47, tail: true},
			{title: "SCOPE", least: 8, most: 10, drop: 2},
			{title: "PROCESS", least: 12, most: 40},
			{title: "CONN", least: 4, most: 6, right: true},
			{title: "BACKLOG", least: 7, most: 11, drop: 3, right: true},
			{title: "IN/s", least: 4, most: 5, drop: 1, right: true},
			{title: "OUT/s", least: 4, most: 5, drop: 1, right: true},
		},
		id: func(l *listenerItem) identity { return l.id },
		cells: func(l *listenerItem, r *render) []span {
			backlog := span{"-", dim}
			if l.Backlog != nil && l.BacklogLimit == nil {
				backlog = span{strconv.Itoa(int(*l.Backlog)) + "/?", plain}
			}
			if l.Backlog != nil && l.BacklogLimit != nil {
				backlog = span{strconv.Itoa(int(*l.Backlog)) + "/" + strconv.Itoa(int(*l.BacklogLimit)), plain}
				if *l.Backlog > 0 {
					backlog.style = warn
				}
				if *l.Backlog >= *l.BacklogLimit && *l.Backlog > 0 {
					backlog.style = bad
				}
			}
			scope := r.cell(string(l.Scope), plain)
			switch l.Scope {
			case loopback.ScopeAll: // short, and not to be overlooked
				scope = span{"ALL", warn}
			case loopback.ScopeLAN:
				scope.style = warn
			}
			return []span{
				{serverText(l.Protocol, l.Address), plain}, scope, r.who(l.Owner, l.Namespace),
				number(l.Connections), backlog, r.rate(l.Rate.Receive, l.Rate.Known), r.rate(l.Rate.Send, l.Rate.Known),
			}
		},
		about: func(l *listenerItem) subject {
			return subject{address: explainable(l.Protocol, l.Address), parties: []party{l.Owner}, lodge: l.Owner}
		},
		orderings: []ordering[listenerItem]{
			{name: "address", marks: []string{"ADDRESS"}, compare: func(a, b *listenerItem) int {
				return cmp.Or(cmp.Compare(a.Address.Port(), b.Address.Port()), a.Address.Addr().Compare(b.Address.Addr()), cmp.Compare(a.Protocol, b.Protocol))
			}},
			{name: "process", marks: []string{"PROCESS"}, compare: func(a, b *listenerItem) int { return compareParties(a.Owner, b.Owner) }},
			{name: "scope", marks: []string{"SCOPE"}, compare: func(a, b *listenerItem) int { return cmp.Compare(a.Scope, b.Scope) }},
			{name: "connections", marks: []string{"CONN"}, down: true, compare: func(a, b *listenerItem) int { return cmp.Compare(a.Connections, b.Connections) }},
			{name: "backlog", marks: []string{"BACKLOG"}, down: true, compare: func(a, b *listenerItem) int { return cmp.Compare(value(a.Backlog), value(b.Backlog)) }},
			{name: "traffic", marks: []string{"IN/s", "OUT/s"}, down: true, compare: func(a, b *listenerItem) int { return cmp.Compare(a.Rate.total(), b.Rate.total()) }},
		},
	}
}

func value(n *uint32) uint32 {
	if n == nil {
		return 0
	}
	return *n
}
