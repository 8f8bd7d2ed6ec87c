package tui

import (
	"cmp"
	"strconv"
	"strings"

	"lodge/internal/service"
	"lodge/internal/show"
)

func projectsView(items []serviceItem) view {
	return &list[serviceItem]{
		name: "projects", items: items,
		nothing: "no project is up (lodge up starts one)",
		cols: []column{
			{title: "PROJECT", least: 7, most: 24},
			{title: "SERVICE", least: 7, most: 24},
			{title: "STATE", least: 5, most: 8},
			{title: "HOME", least: 9, most: 15, drop: 2},
			{title: "PORTS", least: 5, most: 24, drop: 3},
			{title: "PID", least: 3, most: 8, drop: 4, right: true},
			{title: "UP", least: 3, most: 5, drop: 5, right: true},
			{title: "CONN", least: 4, most: 6, drop: 1, right: true},
			{title: "IN/s", least: 4, most: 5, right: true},
			{title: "OUT/s", least: 4, most: 5, right: true},
		},
		id: func(s *serviceItem) identity { return s.id },
		cells: func(s *serviceItem, r *render) []span {
			pid, up := "-", "-"
			if s.PID != 0 {
				pid = strconv.Itoa(s.PID)
				if s.Started != nil {
					up = show.Age(r.now.Sub(*s.Started))
				}
			}
			ports := "-"
			if len(s.Ports) > 0 {
				ports = strings.Join(s.Ports, ",")
			}
			return []span{
				r.cell(s.Project.Name, plain), r.cell(s.name(), plain), r.cell(s.State, stateStyle(s.State)),
				r.cell(s.Project.Home, plain), {ports, plain}, {pid, plain}, {up, plain},
				number(s.Connections), r.rate(s.Rate.Receive, s.Rate.Known), r.rate(s.Rate.Send, s.Rate.Known),
			}
		},
		about: func(s *serviceItem) subject {
			return subject{address: serviceAddress(s), parties: []party{s.Owner}, service: s,
				lodge: party{Project: s.Project.Name, Service: strings.TrimPrefix(s.name(), "-")}}
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

func stateStyle(s string) style {
	switch service.State(s) {
	case service.Up:
		return good
	case service.Failed:
		return bad
	case service.Backoff, service.Waiting, service.Starting, service.Stopping:
		return warn
	}
	return plain
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
