package cli

import (
	"context"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	explainfacts "lodge/internal/explain/facts"
	"lodge/internal/localapi"
	"lodge/internal/names"
	"lodge/internal/service"
)

// found is what a host name leads to by the word of a running daemon.
type found struct {
	daemon  *daemonAt
	project localapi.Project
	tcp     bool // it is below test
	// service is nil for a project's own name that leads to no one of them.
	service *service.Status
	// port is the port of the service that the name means, or 0.
	port uint16
	// missing is a service that the project has not.
	missing string
	// candidates are the services that the project's own name could mean.
	candidates []string
}

// find reports what a host name leads to, or nil where no running daemon has it.
func (l *look) find(ctx context.Context, host string) *found {
	host = names.Normalize(host)
	for _, d := range []*daemonAt{&l.own, &l.sudo} {
		if f := findIn(d.projects, host); f != nil {
			f.daemon = d
			return f
		}
	}
	// Perhaps it is a project's that is not up.
	for _, d := range []*daemonAt{&l.own, &l.sudo} {
		if len(d.projects) == 0 {
			continue // it has nothing up, and ends at once
		}
		short, cancel := context.WithTimeout(ctx, lookPatience)
		ps, err := d.client.Projects(short, true)
		cancel()
		if err != nil {
			continue // it has just said what is up
		}
		if f := findIn(ps.Projects, host); f != nil {
			f.daemon = d
			return f
		}
	}
	return nil
}

// findIn looks a normalized host name up among projects.
func findIn(ps []localapi.Project, host string) *found {
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
	f := &found{tcp: tcp, service: m.Service, port: m.Port}
	for _, p := range ps {
		if p.ID == m.Project.ID {
			f.project = p
		}
	}
	for _, c := range m.Candidates {
		f.candidates = append(f.candidates, c.Name)
	}
	if m.Kind == names.Unknown {
		f.missing = missing(host)
		for _, s := range m.Project.Services {
			f.candidates = append(f.candidates, s.Name)
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

// explainName says the same in the words of package explain.
func (l *look) explainName(ctx context.Context, host string) *explainfacts.Name {
	f := l.find(ctx, host)
	if f == nil {
		return nil
	}
	n := &explainfacts.Name{
		Domain: names.HTTPDomain, Project: f.project.Shown(), Path: f.project.Path, Up: f.project.State != "down",
		Missing: f.missing, Others: f.candidates, URL: f.project.URL,
	}
	n.Home, _ = netip.ParseAddr(f.project.Home)
	if f.service != nil {
		s := explainService(*f.service)
		n.Service, n.HostName = &s, f.service.HostName
		n.URL, n.HTTP = f.service.URL, f.service.URL != "" || f.project.URL == "" && names.MaySpeakHTTP(f.service)
		n.WebPort, n.AskedPort = f.service.WebPort, f.port
		if f.port != 0 && !f.tcp && f.project.URL != "" {
			n.URL = strings.Replace(f.project.URL, f.project.Label+"."+names.HTTPDomain, host, 1)
		}
		if n.URL != "" && f.project.URL == "https://"+host {
			n.URL = f.project.URL // as it was asked for
		}
	}
	short, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	if f.tcp {
		n.Domain = names.TCPDomain
		n.Unresolved = f.unresolved(short)
		return n
	}
	if f.service != nil && !n.HTTP {
		n.Unresolved = f.unresolved(short)
	}
	n.Port = urlPort(f.project.URL)
	if info, err := f.daemon.client.Info(short); err == nil {
		n.ServerPID = info.PID
	}
	return n
}

// unresolved reports why programs of this machine do not find a name below test,
// or "" where they do or where that is not known.
func (f *found) unresolved(ctx context.Context) string {
	h, err := f.daemon.client.HostNames(ctx)
	switch {
	case err != nil || h.Resolved:
		return ""
	case h.Reason == "":
		return "the hosts file does not have it"
	}
	return h.Reason
}

// urlPort returns the port of an HTTPS address, or 0 for none.
func urlPort(address string) uint16 {
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
