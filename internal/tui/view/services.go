package view

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/service"
	"lodge/internal/sockets"
)

// serviceItem is one service of a project, or a project without any.
type serviceItem struct {
	id      Identity
	Project localapi.Project
	// Service is nil for a project without services.
	Service *service.Status
	State   string
	Reason  string
	Ports   []string
	PID     int
	Started *time.Time
	// Owner has the service's main process, as far as a socket shows it.
	Owner Party
	// Connections that are open, to it and from it; Rate.Send is what it sends.
	Connections int
	Rate        Rate
}

func (s *serviceItem) name() string {
	if s.Service == nil {
		return "-"
	}
	return s.Service.Name
}

// serviceItems lists the services of the projects that are up. With a filter
// those are wanted that a wanted socket belongs to.
func serviceItems(ps []localapi.Project, ix *index, match Match) []serviceItem {
	type key struct{ project, service string }
	type sum struct {
		connections int
		rate        Rate
		processes   Party
		wanted      bool
	}
	sums := map[key]*sum{}
	for i := range ix.rows {
		r := &ix.rows[i]
		if r.Project == "" {
			continue
		}
		k := key{r.Project, r.Service}
		s := sums[k]
		if s == nil {
			s = &sum{}
			sums[k] = s
		}
		if isConnection(r) {
			s.connections++
			s.rate.add(ix.rate(i))
		}
		s.processes.join(ownerOf(r))
		s.wanted = s.wanted || match == nil || match(r)
	}
	var out []serviceItem
	for _, p := range projectsUp(ps) {
		add := func(it serviceItem) {
			wanted := match == nil || match(it.row())
			if s := sums[key{p.Name, strings.TrimPrefix(it.name(), "-")}]; s != nil {
				it.Connections, it.Rate = s.connections, s.rate
				it.Owner = ownerFirst(s.processes, it.PID)
				wanted = wanted || s.wanted
			}
			if wanted {
				out = append(out, it)
			}
		}
		if len(p.Services) == 0 {
			add(serviceItem{id: Identity{a: p.ID}, Project: p, State: p.State, Ports: loopback.Ports(p.Others)})
		}
		for i := range p.Services {
			s := &p.Services[i]
			add(serviceItem{
				id: Identity{a: p.ID, b: s.Name}, Project: p, Service: s, State: string(s.State), Reason: s.Reason,
				Ports: loopback.Ports(s.Endpoints), PID: s.PID, Started: s.StartedAt,
			})
		}
	}
	return out
}

// row is the service as a filter for sockets takes it, so that it is found by
// its name while it has none.
func (s *serviceItem) row() *sockets.Row {
	r := &sockets.Row{Protocol: loopback.TCP, Scope: loopback.ScopeHome, Project: s.Project.Name, Service: strings.TrimPrefix(s.name(), "-")}
	if ip, err := netip.ParseAddr(s.Project.Home); err == nil {
		r.Local = &sockets.Address{IP: ip}
	}
	if s.PID != 0 {
		r.Processes = []*sockets.Process{{PID: s.PID, Name: s.name()}}
	}
	return r
}

// ownerFirst puts the process pid in front: the one that lodge started.
func ownerFirst(p Party, pid int) Party {
	i := slices.IndexFunc(p.Processes, func(q *sockets.Process) bool { return q.PID == pid })
	if i > 0 {
		p.Processes[0], p.Processes[i] = p.Processes[i], p.Processes[0]
	}
	return p
}
