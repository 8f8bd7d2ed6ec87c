package daemon

import (
	"context"
	"fmt"
	"net/netip"

	"lodge/internal/localapi"
	"lodge/internal/names"
	"lodge/internal/service"
)

// guide answers how one service is reached: where a name leads, by the network, and as events.
type guide struct{ examiner }

// leadOf returns where a name of a project leads, after asking what must be
// asked: "" is the project's own name, others are as they stand in front of it,
// such as web, 4000.web or 4000.
func (d *guide) leadOf(ctx context.Context, id, name string) (localapi.Lead, error) {
	s := d.serving.Load()
	p := d.projectNamed(id)
	if p == nil || s == nil {
		return localapi.Lead{}, fmt.Errorf("open %s: its project is not up", name)
	}
	host := p.BareName()
	if name != "" {
		host = p.HTTPName(name)
	}
	m := d.naming.table.Load().Find(host)
	if m.Kind == names.NoDefault {
		if err := s.spoken.ask(ctx, p.ID, m.Candidates); err != nil {
			return localapi.Lead{}, err
		}
		s.update()
		m.Service = s.spoken.only(p.ID, m.Candidates)
	}
	out := localapi.Lead{URL: d.web.url(host)}
	if m.Service == nil {
		for _, c := range s.spoken.could(p.ID, m.Candidates) {
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
		s.spoken.askPort(ctx, p.ID, st, m.Port)
	} else {
		s.spoken.askService(ctx, p.ID, st)
	}
	if err := ctx.Err(); err != nil {
		return localapi.Lead{}, err
	}
	s.update()
	if m.Port != 0 {
		l := s.spoken.portOf(p.ID, st, m.Port)
		out.HTTP, out.Listens = l.kind != webNone, len(names.EndpointsAt(st, m.Port)) > 0
		for _, n := range st.PortNames {
			// A port that the file names may come yet; by number only those that are there lead anywhere.
			out.Listens = out.Listens || n.Port == m.Port && n.Name == name
		}
	} else {
		l := s.spoken.webOf(p.ID, st)
		out.HTTP = st.HTTPSocket != "" || l.kind != webNone || st.HTTP != 0
		out.Port, out.Listens = l.port, st.HTTPSocket != "" || len(names.TCPPorts(st)) > 0 || l.kind == webAway
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

func (d *guide) projectNamed(id string) *names.Project {
	for _, p := range d.naming.table.Load().Projects() {
		if p.ID == id {
			return &p
		}
	}
	return nil
}
