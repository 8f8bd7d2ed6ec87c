package daemonview

import (
	"context"
	"net/netip"
	"net/url"
	"strconv"

	"lodge/internal/localapi"
	"lodge/internal/names"
	"lodge/internal/service"
)

// Found is what a host name leads to by the word of a running daemon.
type Found struct {
	daemon  *daemonAt
	Project localapi.Project
	TCP     bool // it is below test
	// service is nil for a project's own name that leads to no one of them.
	Service *service.Status
	// port is the port of the service that the name means, or 0.
	Port uint16
	// missing is a service that the project has not.
	Missing string
	// candidates are the services that the project's own name could mean.
	Candidates []string
}

// Find reports what a host name leads to, or nil where no running daemon has it.
func (v *View) Find(ctx context.Context, host string) *Found {
	host = names.Normalize(host)
	for _, d := range []*daemonAt{&v.own, &v.sudo} {
		if f := FindIn(d.projects, host); f != nil {
			f.daemon = d
			return f
		}
	}
	// Perhaps it is a project's that is not up.
	for _, d := range []*daemonAt{&v.own, &v.sudo} {
		if len(d.projects) == 0 {
			continue // it has nothing up, and ends at once
		}
		short, cancel := context.WithTimeout(ctx, Patience)
		ps, err := d.client.Projects(short, true)
		cancel()
		if err != nil {
			continue // it has just said what is up
		}
		if f := FindIn(ps.Projects, host); f != nil {
			f.daemon = d
			return f
		}
	}
	return nil
}

// FindIn looks a normalized host name up among projects.
func FindIn(ps []localapi.Project, host string) *Found {
	var list []names.Project
	for _, p := range ps {
		n := names.Project{ID: p.ID, Name: p.Name, Label: p.Label, Path: p.Path, Services: p.Services}
		n.Home, _ = netip.ParseAddr(p.Home)
		for i := range n.Services {
			if n.Services[i].Name == p.DefaultService {
				n.Services = append([]service.Status(nil), n.Services...)
				n.Services[i].Default = true
			}
		}
		list = append(list, n)
	}
	t := names.New(list)
	m, tcp := t.Find(host), false
	if m.Kind == names.Foreign {
		m, tcp = t.FindTCP(host), true
	}
	if m.Project == nil {
		return nil
	}
	f := &Found{TCP: tcp, Service: m.Service, Port: m.Port}
	for _, p := range ps {
		if p.ID == m.Project.ID {
			f.Project = p
		}
	}
	for _, c := range m.Candidates {
		f.Candidates = append(f.Candidates, c.Name)
	}
	if m.Kind == names.Unknown {
		f.Missing = missing(host)
		for _, s := range m.Project.Services {
			f.Candidates = append(f.Candidates, s.Name)
		}
	}
	return f
}

// missing is the part of a host name that would be the service: "web" of
// a.web.shop.localhost.
func missing(host string) string {
	end := len(host)
	for range 2 { // the domain, then the label
		for end--; end > 0 && host[end] != '.'; end-- {
		}
	}
	start := end
	for start > 0 && host[start-1] != '.' {
		start--
	}
	return host[start:end]
}

// ServerPID returns the process of the daemon that has the name, or 0 if it does not answer.
func (f *Found) ServerPID(ctx context.Context) int {
	info, err := f.daemon.client.Info(ctx)
	if err != nil {
		return 0
	}
	return info.PID
}

// Unresolved reports why programs of this machine do not find a name below test,
// or "" where they do or where that is not known.
func (f *Found) Unresolved(ctx context.Context) string {
	h, err := f.daemon.client.HostNames(ctx)
	switch {
	case err != nil || h.Resolved:
		return ""
	case h.Reason == "":
		return "the hosts file does not have it"
	}
	return h.Reason
}

// URLPort returns the port of an HTTPS address, or 0 for none.
func URLPort(address string) uint16 {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return 0
	}
	if u.Port() == "" {
		return 443
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}
