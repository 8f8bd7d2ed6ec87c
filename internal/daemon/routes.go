package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

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

// update gives the proxy the names as they are now.
func (s *serving) update() {
	s.updating.Lock()
	defer s.updating.Unlock()
	t := s.d.naming.table.Load()
	s.strangers.know(t)
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
		bare := s.bare(t, &p)
		if bare == nil && len(m.Candidates) > 0 {
			list = append(list, ambiguous(&p))
		}
		r := &router{serving: s, p: &p, bare: bare, taken: map[string]bool{p.BareName(): true}}
		for i := range p.Services {
			r.taken[p.HTTPName(p.Services[i].Name)] = true
		}
		for i := range p.Services {
			r.service(&p.Services[i])
		}
		for i := range p.Services {
			r.ports(&p.Services[i])
		}
		list = append(list, r.list...)
	}
	s.spoken.prune(there)
	table, err := proxy.NewTable(list)
	if err != nil {
		// Names are checked where they are given, so this is a mistake of ours.
		s.d.cfg.Log.Error("make table of names", "err", err)
		return
	}
	s.engine.SetTable(table)
}

// ambiguous stands for a project whose own name could mean several services:
// the first request for it finds out which one speaks HTTP. Nobody's server is
// asked before somebody wants it.
func ambiguous(p *names.Project) proxy.Service {
	return proxy.Service{
		ID: p.Label + "/", Project: p.ID, Names: []proxy.Name{{Host: p.BareName()}},
		State: proxy.Down, OnRequest: true, StartWith: "lodge open SERVICE",
	}
}

// router makes the services of one project as the proxy has them.
type router struct {
	*serving
	p     *names.Project
	bare  *service.Status // to which the project's own name leads, or nil
	taken map[string]bool // names that have an owner
	list  []proxy.Service
}

// service adds a service under its own names.
func (r *router) service(st *service.Status) {
	w := r.spoken.webOf(r.p.ID, st)
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
	if w.kind == webNone && !names.MaySpeakHTTP(st) {
		r.unlisted(st, w)
		return
	}
	out := r.routed(st, w)
	out.Names = []proxy.Name{{Host: r.p.HTTPName(st.Name), Wildcard: true, Ports: true}}
	if isDefault {
		out.Names = append(out.Names, proxy.Name{Host: r.p.BareName(), Ports: true})
	}
	if w.kind == webUnknown { // it may turn out to be one without HTTP
		out.Names = append(out.Names, proxy.Name{Host: r.p.TCPName(st.Name), Unlisted: true})
	}
	r.list = append(r.list, out)
	if _, ok := r.d.shares.of(out.ID); ok {
		// Servers that look at Host (Vite, Django) take the name that they
		// have on this machine.
		if out.Host == "" {
			out.Host = out.Names[0].Host
		}
		out.ID, out.Names = sharedID(out.ID), nil
		r.list = append(r.list, out)
	}
}

// unlisted adds a service to whose name nothing answers, so that whoever asks for
// it is told why. No list has the name.
func (r *router) unlisted(st *service.Status, w lead) {
	out := r.routed(st, w)
	out.State, out.Endpoints, out.OnRequest, out.NoPage = proxy.Down, nil, false, true
	if st.State == service.Exited {
		out.Silent, out.Exit = true, "has "+cmp.Or(st.Reason, "ended")
	}
	out.Names = []proxy.Name{{Host: r.p.HTTPName(st.Name), Unlisted: true}}
	r.list = append(r.list, out)
}

// isRaw reports whether a service is known to speak no HTTP.
func isRaw(st *service.Status, w lead) bool {
	if w.kind != webNone || st.HTTP != 0 || st.HTTPSocket != "" {
		return false
	}
	return !names.MaySpeakHTTP(st) || st.State == service.Up && len(names.TCPPorts(st)) > 0
}

// raw reports whether a name below test leads to a service, or a port, that is
// known to speak no HTTP: of those names only these are served.
func (s *serving) raw(m names.Match) bool {
	if m.Kind != names.Service {
		return false
	}
	if m.Port != 0 {
		return s.spoken.portOf(m.Project.ID, m.Service, m.Port).kind == webNone
	}
	return isRaw(m.Service, s.spoken.webOf(m.Project.ID, m.Service)) || !names.MaySpeakHTTP(m.Service)
}

// routed is a service as the proxy has it, but for its names.
func (r *router) routed(st *service.Status, w lead) proxy.Service {
	out := proxy.Service{
		ID: r.p.Label + "/" + st.Name, Project: r.p.ID,
		OnRequest:      st.OnRequest,
		Exit:           st.Reason,
		StartWith:      "lodge up " + st.Name,
		AllowCrossSite: st.CrossSite == "allow",
		RedirectPlain:  st.PlainHTTP == "redirect",
		Note:           note(r.p, st, w),
	}
	if out.Exit == "" {
		out.Exit = st.Failing
	}
	if st.Kind == service.KindRun {
		out.StartWith = "lodge run -- " + st.Command
	}
	if st.HTTPSocket != "" {
		out.Endpoints = []proxy.Endpoint{{Path: st.HTTPSocket}}
	}
	if w.kind == webAt {
		out.Endpoints = append(out.Endpoints, endpoints(st, w)...)
	}
	if st.Host == service.HostLocalhost {
		out.Host, out.Origin = localhost(w)
	}
	out.State = stateOf(st, w, len(out.Endpoints) > 0)
	if out.State == proxy.Down && st.State == service.Up {
		out.Silent, out.Exit, out.StartWith = true, "runs, and listens nowhere", ""
		if st.HTTP != 0 && len(names.TCPPorts(st)) > 0 {
			out.Exit = fmt.Sprintf("runs, and does not listen on port %d, which http in lodge.toml names", st.HTTP)
		} else if at := listensOn(st); at != "" { // UDP
			out.Exit = "speaks no HTTP: " + at
		}
	}
	return out
}

// localhost is the Host, and the Origin of its own pages, that a service is told
// which wants to be asked as localhost.
func localhost(w lead) (host, origin string) {
	host, scheme := "localhost", "http"
	if w.port != 0 {
		host = net.JoinHostPort(host, strconv.Itoa(int(w.port)))
	}
	if w.tls {
		scheme = "https"
	}
	return host, scheme + "://" + host
}

func endpoints(st *service.Status, w lead) []proxy.Endpoint {
	var out []proxy.Endpoint
	for _, e := range names.EndpointsAt(st, w.port) {
		to := proxy.Endpoint{Addr: e.AddrPort()}
		if w.tls {
			to.Protocol = proxy.HTTPS
		}
		out = append(out, to)
	}
	return out
}

func stateOf(st *service.Status, w lead, listens bool) proxy.State {
	switch st.State {
	case service.Up:
		switch {
		case w.kind == webUnknown:
			return proxy.Unsettled
		case w.kind == webAway:
			return proxy.Starting
		case listens:
			return proxy.Ready
		}
		return proxy.Down
	case service.Starting, service.Waiting, service.Backoff, service.Stopping:
		if st.Failing != "" {
			return proxy.Failing
		}
		return proxy.Starting
	}
	return proxy.Down
}

// rawRouted is a service without HTTP as the proxy has it: for clients that ask
// for it by TLS, on the first port that it chose itself.
func (r *router) rawRouted(st *service.Status, isDefault bool) proxy.Service {
	out := r.routed(st, lead{})
	out.Raw, out.Exit, out.StartWith = true, listensOn(st), howToReach(r.p, st)
	if all := names.TCPPorts(st); len(all) > 0 {
		out.Endpoints = endpoints(st, lead{port: all[0]})
		out.State = stateOf(st, lead{kind: webAt}, true)
	}
	out.Names = []proxy.Name{{Host: r.p.HTTPName(st.Name)}, {Host: r.p.TCPName(st.Name)}}
	if isDefault {
		out.Names = append(out.Names, proxy.Name{Host: r.p.BareName()})
	}
	return out
}

// ports adds the ports of a service under their own names: by number those
// that it has, or had since it was started, and by name those that the file
// names.
func (r *router) ports(st *service.Status) {
	live := st.State == service.Up || st.State == service.Starting || st.State == service.Waiting || st.State == service.Backoff || st.State == service.Stopping
	if !live && len(st.PortNames) == 0 {
		return
	}
	all := names.TCPPorts(st)
	alone := len(all) == 1
	if live {
		all = append(all, r.spoken.away(r.p.ID, st)...)
	}
	for _, n := range st.PortNames {
		if !slices.Contains(all, n.Port) {
			all = append(all, n.Port)
		}
	}
	main := r.p.Label + "/" + st.Name
	for _, port := range all {
		w := r.spoken.portOf(r.p.ID, st, port)
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
		if w.kind == webNone {
			out.Raw, out.State, out.Endpoints = true, stateOf(st, lead{kind: webAt}, true), endpoints(st, lead{port: port})
			out.Exit, out.StartWith = listensOn(st), howToReach(r.p, st)
		}
		if w.kind == webNone || w.kind == webUnknown {
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

// note says on which ports a service listens, where that is more than the one
// to which its name leads, and how to choose.
func note(p *names.Project, st *service.Status, w lead) string {
	var list []string
	for _, port := range names.TCPPorts(st) {
		if port == w.port || !service.Ephemeral(port) {
			list = append(list, strconv.Itoa(int(port)))
		}
	}
	away := ""
	if w.kind == webAway {
		away = fmt.Sprintf("Nothing listens on port %d, to which this name leads. ", w.port)
	}
	if len(list) == 0 || len(list) == 1 && w.kind == webAt {
		return strings.TrimSpace(away)
	}
	text := fmt.Sprintf("%s listens on port %s.", st.Name, strings.Join(list, ", "))
	if len(list) > 1 {
		text = fmt.Sprintf("%s listens on ports %s.", st.Name, strings.Join(list, ", "))
	}
	return fmt.Sprintf("%s%s %s leads to one of them by its number; http = PORT in lodge.toml says to which the name of %s leads.",
		away, text, "PORT."+p.HTTPName(st.Name), st.Name)
}

// listensOn reports where a service listens.
func listensOn(st *service.Status) string {
	var at []string
	for _, e := range st.Endpoints {
		if s := e.String(); !slices.Contains(at, s) {
			at = append(at, s)
		}
	}
	if len(at) == 0 {
		return ""
	}
	return "it listens on " + strings.Join(at, ", ")
}

// howToReach reports how a service without HTTP is reached.
func howToReach(p *names.Project, st *service.Status) string {
	all := names.TCPPorts(st)
	if len(all) == 0 {
		return ""
	}
	at := ""
	if p.Home.IsValid() {
		at = fmt.Sprintf(", which is %s", netip.AddrPortFrom(p.Home, all[0]))
	}
	return fmt.Sprintf("connect to %s:%d%s, or over TLS to %s", p.TCPName(st.Name), all[0], at, p.HTTPName(st.Name))
}

// settle finds out where a name leads, by asking the service, and returns when
// the table has it.
func (s *serving) settle(ctx context.Context, id string) error {
	label, name, port := parseID(id)
	for {
		changed := s.d.naming.await()
		p, st := s.status(label, name)
		if st == nil || st.State != service.Up {
			break // the table says so, or will at once
		}
		if port != 0 {
			s.spoken.askPort(ctx, p.ID, st, port)
		} else {
			s.spoken.askService(ctx, p.ID, st)
		}
		select {
		case <-changed:
			continue // it may have other ports now
		default:
		}
		break
	}
	s.update()
	return ctx.Err()
}

// status finds a service in the table by its project's label and its name.
func (s *serving) status(label, name string) (*names.Project, *service.Status) {
	for _, p := range s.d.naming.table.Load().Projects() {
		if p.Label != label {
			continue
		}
		for i := range p.Services {
			if p.Services[i].Name == name {
				return &p, &p.Services[i]
			}
		}
	}
	return nil, nil
}

// refused has a keeper look where its services listen: the program of one has
// closed a socket, perhaps, and lives on.
func (s *serving) refused(id string) {
	p, _, err := s.find(id)
	if err != nil {
		return
	}
	if _, busy := s.looking.LoadOrStore(p, true); busy {
		return
	}
	s.served.Go(func() {
		defer s.looking.Delete(p)
		ctx, cancel := context.WithTimeout(s.d.ctx, askKeeper)
		defer cancel()
		if k, err := p.client().Status(ctx); err == nil {
			s.d.heard(p, k)
		}
	})
}

// addressService puts what is known of names into a service's state.
func (d *namer) addressService(project string, p *names.Project, st *service.Status) {
	st.HostName = p.TCPName(st.Name)
	w := lead{}
	if s := d.serving.Load(); s != nil {
		w = s.spoken.webOf(project, st)
	}
	if w.kind == webAt || w.kind == webAway || names.MaySpeakHTTP(st) && !isRaw(st, w) {
		st.URL, st.WebPort = d.web.url(p.HTTPName(st.Name)), w.port
	}
	st.PortNames = slices.Clone(st.PortNames) // it is the keeper's word, which others read
	for i := range st.PortNames {
		n := &st.PortNames[i]
		n.HostName = p.TCPName(n.Name)
		if s := d.serving.Load(); s == nil || s.spoken.portOf(project, st, n.Port).kind != webNone {
			n.URL = d.web.url(p.HTTPName(n.Name))
		}
	}
}

// speaks reports whether a service speaks HTTP, as far as it can be found out
// by asking it now.
func (d *namer) speaks(project string, st *service.Status) bool {
	s := d.serving.Load()
	if s == nil {
		return names.MaySpeakHTTP(st)
	}
	if st.State == service.Up {
		s.spoken.askService(d.ctx, project, st)
		s.update()
	}
	w := s.spoken.webOf(project, st)
	return w.kind != webNone || names.MaySpeakHTTP(st) && !isRaw(st, w)
}
