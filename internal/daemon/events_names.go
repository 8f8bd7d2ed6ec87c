package daemon

import (
	"maps"
	"slices"

	"lodge/internal/event"
	"lodge/internal/eventlog"
	"lodge/internal/names"
	"lodge/internal/service"
)

// tellNames publishes how the table of names differs from what the stream has. A
// project that is followed and has not told its state yet keeps its names.
func (d *chronicle) tellNames() {
	d.events.bus.PublishFunc(func() []event.Event {
		var out []event.Event
		now := make(map[string]eventlog.Fact)
		table := d.naming.table.Load()
		heard, web := make(map[string]bool), make(map[string]bool)
		for _, host := range table.HTTPNames() {
			web[host] = true
		}
		for _, p := range table.Projects() {
			heard[p.ID] = true
			if m := table.Find(p.BareName()); m.Project != nil && m.Project.ID == p.ID {
				namesOf(table, &p, web, now)
			}
		}
		source := event.Source{Name: event.SourceDaemon}
		d.events.state(func(s *eventlog.State) {
			for _, host := range slices.Sorted(maps.Keys(s.Names)) {
				old := s.Names[host]
				if _, ok := now[host]; ok {
					continue
				}
				if _, open := d.get(old.Subject.ProjectID); open && !heard[old.Subject.ProjectID] || !d.events.adopted.Load() {
					continue
				}
				gone := event.Name{Change: event.Removed, Host: host, Targets: []string{}}
				out = append(out, event.Event{Kind: event.KindName, Source: source, Subject: old.Subject, Name: &gone})
			}
			for _, host := range slices.Sorted(maps.Keys(now)) {
				f := now[host]
				old, ok := s.Names[host]
				if ok && old.Subject == f.Subject && slices.Equal(old.Name.Targets, f.Name.Targets) {
					continue
				}
				if ok {
					f.Name.Change = event.Changed
				}
				out = append(out, event.Event{Kind: event.KindName, Source: source, Subject: f.Subject, Name: f.Name})
			}
		})
		return out
	})
}

// namesOf adds the names of a project that lead somewhere. web has the HTTP names of
// all projects that do.
func namesOf(t *names.Table, p *names.Project, web map[string]bool, out map[string]eventlog.Fact) {
	add := func(host, service string, targets []string) {
		out[host] = eventlog.Fact{
			Subject: event.Subject{ProjectID: p.ID, Project: p.Label, Service: service},
			Name:    &event.Name{Change: event.Added, Host: host, Targets: targets},
		}
	}
	tcp := p.TCPNames()
	listed := func(host string) bool { return web[host] || slices.Contains(tcp, host) }
	for i := range p.Services {
		st := &p.Services[i]
		if host := p.HTTPName(st.Name); listed(host) {
			add(host, st.Name, webTargets(st))
		}
		if host := p.TCPName(st.Name); listed(host) {
			add(host, st.Name, addresses(st, names.TCPPorts(st)))
		}
		for _, n := range st.PortNames {
			for _, host := range []string{p.HTTPName(n.Name), p.TCPName(n.Name)} {
				if _, taken := out[host]; listed(host) && !taken {
					add(host, st.Name, addresses(st, []uint16{n.Port}))
				}
			}
		}
	}
	if host := p.BareName(); listed(host) {
		if m := t.Find(host); m.Service != nil {
			add(host, m.Service.Name, webTargets(m.Service))
		} else { // which of several services it means is found out at the first request
			add(host, "", []string{})
		}
	}
	home := []string{}
	if p.Home.IsValid() {
		home = append(home, p.Home.String())
	}
	add(p.Label+"."+names.TCPDomain, "", home)
}

// webTargets are where the HTTP name of a service leads.
func webTargets(st *service.Status) []string {
	switch {
	case st.HTTPSocket != "":
		return []string{st.HTTPSocket}
	case st.HTTP != 0:
		return addresses(st, []uint16{st.HTTP})
	}
	return addresses(st, names.WebPorts(st))
}

// addresses are those at which a service listens on some TCP ports.
func addresses(st *service.Status, ports []uint16) []string {
	out := []string{}
	for _, port := range ports {
		for _, e := range names.EndpointsAt(st, port) {
			out = append(out, e.AddrPort().String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
