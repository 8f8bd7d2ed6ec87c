package view

import (
	"cmp"
	"strconv"
	"strings"

	"lodge/internal/service"
	"lodge/internal/show"
	"lodge/internal/tui/screen"
)

func projectsView(items []serviceItem) List {
	return &list[serviceItem]{
		name: "projects", items: items,
		nothing: "no project is up (lodge up starts one)",
		cols: []Column{
			{Title: "PROJECT", least: 7, most: 24},
			{Title: "SERVICE", least: 7, most: 24},
			{Title: "STATE", least: 5, most: 8},
			{Title: "HOME", least: 9, most: 15, drop: 2},
			{Title: "PORTS", least: 5, most: 24, drop: 3},
			{Title: "PID", least: 3, most: 8, drop: 4, right: true},
			{Title: "UP", least: 3, most: 5, drop: 5, right: true},
			{Title: "CONN", least: 4, most: 6, drop: 1, right: true},
			{Title: "IN/s", least: 4, most: 5, right: true},
			{Title: "OUT/s", least: 4, most: 5, right: true},
		},
		id: func(s *serviceItem) Identity { return s.id },
		cells: func(s *serviceItem, r *Render) []screen.Span {
			pid, up := "-", "-"
			if s.PID != 0 {
				pid = strconv.Itoa(s.PID)
				if s.Started != nil {
					up = show.Age(r.Now.Sub(*s.Started))
				}
			}
			ports := "-"
			if len(s.Ports) > 0 {
				ports = strings.Join(s.Ports, ",")
			}
			return []screen.Span{
				r.cell(s.Project.Name, screen.Plain), r.cell(s.name(), screen.Plain), r.cell(s.State, stateStyle(s.State)),
				r.cell(s.Project.Home, screen.Plain), screen.Plain.Span(ports), screen.Plain.Span(pid), screen.Plain.Span(up),
				number(s.Connections), r.rate(s.Rate.Receive, s.Rate.Known), r.rate(s.Rate.Send, s.Rate.Known),
			}
		},
		about: func(s *serviceItem) Subject {
			return Subject{Address: serviceAddress(s), Parties: []Party{s.Owner}, Project: &s.Project, Service: s.Service,
				Lodge: Party{Project: s.Project.Name, Service: strings.TrimPrefix(s.name(), "-")}}
		},
		orderings: []ordering[serviceItem]{
			{name: "name", marks: []string{"PROJECT", "SERVICE"}, compare: func(a, b *serviceItem) int {
				return cmp.Or(cmp.Compare(a.Project.Name, b.Project.Name), cmp.Compare(a.name(), b.name()))
			}},
			{name: "state", marks: []string{"STATE"}, compare: func(a, b *serviceItem) int { return cmp.Compare(a.State, b.State) }},
			{name: "connections", marks: []string{"CONN"}, down: true, compare: func(a, b *serviceItem) int { return cmp.Compare(a.Connections, b.Connections) }},
			{name: "traffic", marks: []string{"IN/s", "OUT/s"}, down: true, compare: func(a, b *serviceItem) int { return cmp.Compare(a.Rate.total(), b.Rate.total()) }},
		},
	}
}

func stateStyle(s string) screen.Style {
	switch service.State(s) {
	case service.Up:
		return screen.Good
	case service.Failed:
		return screen.Bad
	case service.Backoff, service.Waiting, service.Starting, service.Stopping:
		return screen.Warn
	}
	return screen.Plain
}

// serviceAddress is where the service is reached, or its home where it listens
// nowhere.
func serviceAddress(s *serviceItem) string {
	if s.Service != nil {
		for _, e := range s.Service.Endpoints {
			return explainable(e.Protocol, e.AddrPort())
		}
	}
	return s.Project.Home
}
