package serving

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/daemon/webports"
	"lodge/internal/names"
	"lodge/internal/proxy"
	"lodge/internal/service"
)

// portID is the proxy's identifier of a port of a service.
func portID(id string, port uint16) string { return id + ":" + strconv.Itoa(int(port)) }

// parseID takes an identifier apart: of a service, shared or not, or of one of
// its ports.
func parseID(id string) (label, service string, port uint16) {
	label, service, _ = strings.Cut(strings.TrimSuffix(id, sharedID("")), "/")
	service, number, _ := strings.Cut(service, ":")
	return label, service, names.PortLabel(number)
}

// setTable gives the proxy a table of names. The caller holds updating.
func (o *opened) setTable(t *names.Table) {
	s := o.server
	o.strangers.know(t)
	var list []proxy.Service
	there := make(map[string]bool)
	for _, p := range t.Projects() {
		for i := range p.Services {
			there[p.ID+"/"+p.Services[i].Name] = true
		}
		m := t.Find(p.BareName())
		if m.Project == nil || m.Project.ID != p.ID {
			continue // another project has its label: no name may lead to two
		}
		own := bare(s.ports, t, &p)
		if own == nil && len(m.Candidates) > 0 {
			list = append(list, ambiguous(&p))
		}
		r := &router{ports: s.ports, shares: &s.shares, p: &p, bare: own, taken: map[string]bool{p.BareName(): true}}
		for i := range p.Services {
			r.taken[p.HTTPName(p.Services[i].Name)] = true
		}
		for i := range p.Services {
			r.service(&p.Services[i])
		}
		for i := range p.Services {
			r.servicePorts(&p.Services[i])
		}
		list = append(list, r.list...)
	}
	s.ports.Prune(there)
	table, err := proxy.NewTable(list)
	if err != nil {
		// Names are checked where they are given, so this is a mistake of ours.
		s.options.Log.Error("make table of names", "err", err)
		return
	}
	o.engine.SetTable(table)
}

// ambiguous stands for a project whose own name could mean several services:
// the first request for it finds out which one speaks HTTP. No server is asked
// before that is to be known.
func ambiguous(p *names.Project) proxy.Service {
	return proxy.Service{
		ID: p.Label + "/", Project: p.ID, Names: []proxy.Name{{Host: p.BareName()}},
		State: proxy.Down, OnRequest: true, StartWith: "lodge open SERVICE",
	}
}

// router makes the services of one project as the proxy has them.
type router struct {
	ports  *webports.Ports
	shares *Shares
	p      *names.Project
	bare   *service.Status // to which the project's own name leads, or nil
	taken  map[string]bool // names that have an owner
	list   []proxy.Service
}

// service adds a service under its own names.
func (r *router) service(st *service.Status) {
	w := r.ports.Of(r.p.ID, st)
	if st.State == service.Exited { // it ran once
		r.unlisted(st, w)
		return
	}
	isDefault := r.bare != nil && r.bare.Name == st.Name
	if isRaw(st, w) {
		if len(names.TCPPorts(st)) > 0 || st.OnRequest {
			r.list = append(r.list, r.rawRouted(st, isDefault))
		} else {
			r.unlisted(st, w)
		}
		return
	}
	if w.Kind == webports.None && !names.MaySpeakHTTP(st) {
		r.unlisted(st, w)
		return
	}
	out := r.routed(st, w)
	out.Names = []proxy.Name{{Host: r.p.HTTPName(st.Name), Wildcard: true, Ports: true}}
	if isDefault {
		out.Names = append(out.Names, proxy.Name{Host: r.p.BareName(), Ports: true})
	}
	if w.Kind == webports.Unknown { // it may turn out to be one without HTTP
		out.Names = append(out.Names, proxy.Name{Host: r.p.TCPName(st.Name), Unlisted: true})
	}
	r.list = append(r.list, out)
	if _, ok := r.shares.of(out.ID); ok {
		// Servers that look at Host (Vite, Django) take the name that they
		// have on this machine.
		if out.Host == "" {
			out.Host = out.Names[0].Host
		}
		out.ID, out.Names = sharedID(out.ID), nil
		r.list = append(r.list, out)
	}
}

// unlisted adds a service to whose name nothing answers, so that a client that asks
// for it is told why. No list has the name.
func (r *router) unlisted(st *service.Status, w webports.Target) {
	out := r.routed(st, w)
	out.State, out.Endpoints, out.OnRequest, out.NoPage = proxy.Down, nil, false, true
	if st.State == service.Exited {
		out.Silent, out.Exit = true, "has "+cmp.Or(st.Reason, "ended")
	}
	out.Names = []proxy.Name{{Host: r.p.HTTPName(st.Name), Unlisted: true}}
	r.list = append(r.list, out)
}

// isRaw reports whether a service is known to speak no HTTP.
func isRaw(st *service.Status, w webports.Target) bool {
	if w.Kind != webports.None || st.HTTP != 0 || st.HTTPSocket != "" {
		return false
	}
	return !names.MaySpeakHTTP(st) || st.State == service.Up && len(names.TCPPorts(st)) > 0
}

// raw reports whether a name below test leads to a service, or a port, that is
// known to speak no HTTP: of those names only these are served.
func raw(ports *webports.Ports, m names.Match) bool {
	if m.Kind != names.Service {
		return false
	}
	if m.Port != 0 {
		return ports.OfPort(m.Project.ID, m.Service, m.Port).Kind == webports.None
	}
	return isRaw(m.Service, ports.Of(m.Project.ID, m.Service)) || !names.MaySpeakHTTP(m.Service)
}

// bare returns the service that a project's own name leads to, or nil where it
// leads to none, or that is not known yet.
func bare(ports *webports.Ports, t *names.Table, p *names.Project) *service.Status {
	m := t.Find(p.BareName())
	if m.Kind == names.NoDefault {
		return ports.Only(p.ID, m.Candidates)
	}
	return m.Service
}

// servicePorts adds the ports of a service under their own names: by number those
// that it has, or had since it was started, and by name those that the file
// names.
func (r *router) servicePorts(st *service.Status) {
	live := st.State == service.Up || st.State == service.Starting || st.State == service.Waiting || st.State == service.Backoff || st.State == service.Stopping
	if !live && len(st.PortNames) == 0 {
		return
	}
	all := names.TCPPorts(st)
	alone := len(all) == 1
	if live {
		all = append(all, r.ports.Gone(r.p.ID, st)...)
	}
	for _, n := range st.PortNames {
		if !slices.Contains(all, n.Port) {
			all = append(all, n.Port)
		}
	}
	main := r.p.Label + "/" + st.Name
	for _, port := range all {
		w := r.ports.OfPort(r.p.ID, st, port)
		out := r.routed(st, w)
		out.ID, out.UsedAs = portID(main, port), main
		tcp := []string{strconv.Itoa(int(port)) + "." + r.p.TCPName(st.Name)}
		r.name(&out, r.p.PortName(st.Name, port), alone)
		r.name(&out, r.p.HTTPName(strconv.Itoa(int(port))), true)
		for _, n := range st.PortNames {
			if n.Port == port {
				r.name(&out, r.p.HTTPName(n.Name), false)
				tcp = append(tcp, r.p.TCPName(n.Name))
			}
		}
		if w.Kind == webports.None {
			out.Raw, out.State, out.Endpoints = true, stateOf(st, webports.Target{Kind: webports.At}, true), endpoints(st, webports.Target{Port: port})
			out.Exit, out.StartWith = listensOn(st), howToReach(r.p, st)
		}
		if w.Kind == webports.None || w.Kind == webports.Unknown {
			for _, n := range tcp {
				r.name(&out, n, true)
			}
		}
		if len(out.Names) > 0 {
			r.list = append(r.list, out)
		}
	}
}

// name gives a service a name, unless it is another's.
func (r *router) name(out *proxy.Service, host string, unlisted bool) {
	if r.taken[host] {
		return
	}
	r.taken[host] = true
	out.Names = append(out.Names, proxy.Name{Host: host, Wildcard: true, Unlisted: unlisted})
}
