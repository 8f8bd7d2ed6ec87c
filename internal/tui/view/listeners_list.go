package view

import (
	"cmp"
	"strconv"

	"lodge/internal/loopback"
	"lodge/internal/tui/screen"
)

func listenersView(items []listenerItem) List {
	return &list[listenerItem]{
		name: "listeners", items: items,
		nothing: "nothing listens",
		cols: []Column{
			{Title: "ADDRESS", least: 16, most: 47, tail: true},
			{Title: "SCOPE", least: 8, most: 10, drop: 2},
			{Title: "PROCESS", least: 12, most: 40},
			{Title: "CONN", least: 4, most: 6, right: true},
			{Title: "BACKLOG", least: 7, most: 11, drop: 3, right: true},
			{Title: "IN/s", least: 4, most: 5, drop: 1, right: true},
			{Title: "OUT/s", least: 4, most: 5, drop: 1, right: true},
		},
		id: func(l *listenerItem) Identity { return l.id },
		cells: func(l *listenerItem, r *Render) []screen.Span {
			backlog := screen.Dim.Span("-")
			if l.Backlog != nil && l.BacklogLimit == nil {
				backlog = screen.Plain.Span(strconv.Itoa(int(*l.Backlog)) + "/?")
			}
			if l.Backlog != nil && l.BacklogLimit != nil {
				backlog = screen.Plain.Span(strconv.Itoa(int(*l.Backlog)) + "/" + strconv.Itoa(int(*l.BacklogLimit)))
				if *l.Backlog > 0 {
					backlog.Style = screen.Warn
				}
				if *l.Backlog >= *l.BacklogLimit && *l.Backlog > 0 {
					backlog.Style = screen.Bad
				}
			}
			scope := r.cell(string(l.Scope), screen.Plain)
			switch l.Scope {
			case loopback.ScopeAll: // short, and not to be overlooked
				scope = screen.Warn.Span("ALL")
			case loopback.ScopeLAN:
				scope.Style = screen.Warn
			}
			return []screen.Span{
				screen.Plain.Span(serverText(l.Protocol, l.Address)), scope, r.party(l.Owner, l.Namespace),
				number(l.Connections), backlog, r.rate(l.Rate.Receive, l.Rate.Known), r.rate(l.Rate.Send, l.Rate.Known),
			}
		},
		about: func(l *listenerItem) Subject {
			return Subject{Address: explainable(l.Protocol, l.Address), Parties: []Party{l.Owner}, Lodge: l.Owner}
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
