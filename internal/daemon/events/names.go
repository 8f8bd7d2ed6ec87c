package events

import (
	"maps"
	"slices"

	"lodge/internal/event"
	"lodge/internal/eventlog"
	"lodge/internal/names"
	"lodge/internal/service"
)

// nameChanges are the events that lead from the names that were told to those of a
// table. Names of a project that stays are not removed.
func nameChanges(t *names.Table, told map[string]eventlog.Fact, stays func(id string) bool) []event.Event {
	web, now := make(map[string]bool), make(map[string]eventlog.Fact)
	for _, host := range t.HTTPNames() {
		web[host] = true
	}
	for _, p := range t.Projects() {
		if m := t.Find(p.BareName()); m.Project != nil && m.Project.ID == p.ID {
			namesOf(t, &p, web, now)
		}
	}
	var out []event.Event
	add := func(subject event.Subject, n event.Name) {
		out = append(out, event.Event{Kind: event.KindName, Source: event.Source{Name: event.SourceDaemon}, Subject: subject, Name: &n})
	}
	for _, host := range slices.Sorted(maps.Keys(told)) {
		old := told[host].Subject
		if _, ok := now[host]; !ok && !stays(old.ProjectID) {
			add(old, event.Name{Change: event.Removed, Host: host, Targets: []string{}})
		}
	}
	for _, host := range slices.Sorted(maps.Keys(now)) {
		f := now[host]
		old, ok := told[host]
		switch {
		case !ok:
			add(f.Subject, *f.Name)
		case old.Subject != f.Subject || !slices.Equal(old.Name.Targets, f.Name.Targets):
			add(f.Subject, event.Name{Change: event.Changed, Host: host, Targets: f.Name.Targets})
		}
	}
	return out
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
