package serving

import (
	"net/netip"
	"slices"

	"lodge/internal/daemon/webports"
	"lodge/internal/localapi"
	"lodge/internal/names"
	"lodge/internal/service"
)

// Address puts what is known of names into a project's state.
func (s *Server) Address(p *localapi.Project) {
	p.Label = s.options.Store.LabelFor(p.Path, p.Name)
	n := names.Project{Label: p.Label, Services: p.Services}
	if ip, err := netip.ParseAddr(p.Home); err == nil {
		n.Home = ip
	}
	p.URL = s.Web().URL(n.BareName())
	if st := bare(s.ports, names.New([]names.Project{n}), &n); st != nil {
		p.DefaultService = st.Name
	}
	for i := range p.Services {
		st := &p.Services[i]
		s.addressService(p.ID, &n, st)
		if sh, ok := s.shares.of(p.Label + "/" + st.Name); ok {
			st.SharedURL = sh.URL
		}
	}
}

// addressService puts what is known of names into a service's state.
func (s *Server) addressService(project string, p *names.Project, st *service.Status) {
	st.HostName = p.TCPName(st.Name)
	w := s.ports.Of(project, st)
	if w.Kind == webports.At || w.Kind == webports.Away || names.MaySpeakHTTP(st) && !isRaw(st, w) {
		st.URL, st.WebPort = s.Web().URL(p.HTTPName(st.Name)), w.Port
	}
	st.PortNames = slices.Clone(st.PortNames) // it is the keeper's state, which others read
	for i := range st.PortNames {
		n := &st.PortNames[i]
		n.HostName = p.TCPName(n.Name)
		if s.ports.OfPort(project, st, n.Port).Kind != webports.None {
			n.URL = s.Web().URL(p.HTTPName(n.Name))
		}
	}
}

// speaks reports whether a service speaks HTTP, as far as it can be found out
// by asking it now.
func (s *Server) speaks(project string, st *service.Status) bool {
	if st.State == service.Up {
		s.ports.AskService(s.ctx, project, st)
		s.Update()
	}
	w := s.ports.Of(project, st)
	return w.Kind != webports.None || names.MaySpeakHTTP(st) && !isRaw(st, w)
}
