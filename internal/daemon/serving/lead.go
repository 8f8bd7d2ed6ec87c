package serving

import (
	"context"
	"fmt"
	"net/netip"

	"lodge/internal/daemon/webports"
	"lodge/internal/localapi"
	"lodge/internal/names"
	"lodge/internal/service"
)

// Lead returns where a name of a project leads, after asking what must be
// asked: "" is the project's own name, others are as they stand in front of it,
// such as web, 4000.web or 4000.
func (s *Server) Lead(ctx context.Context, id, name string) (localapi.Lead, error) {
	p := s.projectNamed(id)
	if p == nil || s.opened.Load() == nil {
		return localapi.Lead{}, fmt.Errorf("open %s: its project is not up", name)
	}
	host := p.BareName()
	if name != "" {
		host = p.HTTPName(name)
	}
	m := s.options.Names.Table().Find(host)
	if m.Kind == names.NoDefault {
		if err := s.ports.Ask(ctx, p.ID, m.Candidates); err != nil {
			return localapi.Lead{}, err
		}
		s.Update()
		m.Service = s.ports.Only(p.ID, m.Candidates)
	}
	out := localapi.Lead{URL: s.Web().URL(host)}
	if m.Service == nil {
		for _, c := range s.ports.Could(p.ID, m.Candidates) {
			out.Could = append(out.Could, c.Name)
		}
		return out, nil
	}
	st := m.Service
	out.Service, out.HostName, out.Port = st.Name, p.TCPName(st.Name), m.Port
	out.HTTP = true
	if st.State != service.Up {
		out.HTTP = st.Scheme == "" || names.MaySpeakHTTP(st)
		return out, nil
	}
	if m.Port != 0 {
		s.ports.AskPort(ctx, p.ID, st, m.Port)
	} else {
		s.ports.AskService(ctx, p.ID, st)
	}
	if err := ctx.Err(); err != nil {
		return localapi.Lead{}, err
	}
	s.Update()
	if m.Port != 0 {
		l := s.ports.OfPort(p.ID, st, m.Port)
		out.HTTP, out.Listens = l.Kind != webports.None, len(names.EndpointsAt(st, m.Port)) > 0
		for _, n := range st.PortNames {
			// A port that the file names may come yet; by number only those that are there lead anywhere.
			out.Listens = out.Listens || n.Port == m.Port && n.Name == name
		}
	} else {
		l := s.ports.Of(p.ID, st)
		out.HTTP = st.HTTPSocket != "" || l.Kind != webports.None || st.HTTP != 0
		out.Port, out.Listens = l.Port, st.HTTPSocket != "" || len(names.TCPPorts(st)) > 0 || l.Kind == webports.Away
	}
	out.Ports = names.TCPPorts(st)
	if !out.HTTP && out.Port == 0 && len(out.Ports) > 0 {
		out.Port = out.Ports[0]
	}
	if p.Home.IsValid() && out.Port != 0 {
		out.Address = netip.AddrPortFrom(p.Home, out.Port).String()
	}
	return out, nil
}

func (s *Server) projectNamed(id string) *names.Project {
	for _, p := range s.options.Names.Table().Projects() {
		if p.ID == id {
			return &p
		}
	}
	return nil
}
