package explain

import (
	"context"
	"net/netip"
	"strings"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	explainfacts "lodge/internal/explain/facts"
	"lodge/internal/explain/gather"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/logs"
	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/service"
)

// newSource returns what a running daemon knows.
func newSource(ctx context.Context, k *kit.Kit, l *daemonview.View) gather.Source {
	src := gather.Source{Homes: l.Homes, Live: l.Live, Name: func(host string) *explainfacts.Name { return nameFact(ctx, l, host) }}
	src.Inside, _ = netip.ParseAddr(k.Getenv("LODGE_HOME"))
	src.Tail = func(path, service string) []string { return tail(l.Projects, path, service) }
	src.Warnings = func() []string { return l.Warnings }
	for _, p := range l.Projects {
		src.Projects = append(src.Projects, projectFact(p))
	}
	return src
}

func projectFact(p localapi.Project) explainfacts.Project {
	q := explainfacts.Project{Name: p.Shown(), Path: p.Path, Engine: p.Engine, Isolation: p.Isolation, KeeperPID: p.KeeperPID}
	q.Home4, _ = netip.ParseAddr(p.Home)
	q.Home6, _ = netip.ParseAddr(p.Home6)
	for _, s := range p.Services {
		q.Services = append(q.Services, serviceFact(s))
	}
	return q
}

func serviceFact(s service.Status) explainfacts.Service {
	x := explainfacts.Service{
		Name: s.Name, State: string(s.State), Exit: s.Exit, Reason: s.Reason, Failing: s.Failing != "",
		Endpoints: loopback.Reachable(s.Endpoints), Ports: append([]uint16(nil), s.LastPorts...), URL: s.URL, PID: s.PID,
	}
	switch s.State {
	case service.Backoff, service.Failed, service.Exited, service.Stopped:
		x.Ended = true
	}
	for _, port := range []uint16{s.Port, s.HTTP} {
		if port != 0 {
			x.Ports = append(x.Ports, port)
		}
	}
	for _, e := range s.Endpoints {
		if e.Protocol == loopback.TCP {
			x.Ports = append(x.Ports, e.Port)
		}
	}
	return x
}

// nameFact returns what a host name leads to as a fact, or nil if no running daemon has it.
func nameFact(ctx context.Context, l *daemonview.View, host string) *explainfacts.Name {
	f := l.Find(ctx, host)
	if f == nil {
		return nil
	}
	n := &explainfacts.Name{
		Domain: names.HTTPDomain, Project: f.Project.Shown(), Path: f.Project.Path, Up: f.Project.State != "down",
		Missing: f.Missing, Others: f.Candidates, URL: f.Project.URL,
	}
	n.Home, _ = netip.ParseAddr(f.Project.Home)
	if f.Service != nil {
		s := serviceFact(*f.Service)
		n.Service, n.HostName = &s, f.Service.HostName
		n.URL, n.HTTP = f.Service.URL, f.Service.URL != "" || f.Project.URL == "" && names.MaySpeakHTTP(f.Service)
		n.WebPort, n.AskedPort = f.Service.WebPort, f.Port
		if f.Port != 0 && !f.TCP && f.Project.URL != "" {
			n.URL = strings.Replace(f.Project.URL, f.Project.Label+"."+names.HTTPDomain, host, 1)
		}
		if n.URL != "" && f.Project.URL == "https://"+host {
			n.URL = f.Project.URL // as it was asked for
		}
	}
	short, cancel := context.WithTimeout(ctx, daemonview.Patience)
	defer cancel()
	if f.TCP {
		n.Domain = names.TCPDomain
		n.Unresolved = f.Unresolved(short)
		return n
	}
	if f.Service != nil && !n.HTTP {
		n.Unresolved = f.Unresolved(short)
	}
	n.Port = daemonview.URLPort(f.Project.URL)
	n.ServerPID = f.ServerPID(short)
	return n
}

// tailLines is how many lines of a service's log explain reads.
const tailLines = 10

// tail returns the last lines that a service of the project at path said.
func tail(ps []localapi.Project, path, service string) []string {
	for _, p := range ps {
		if p.Path != path {
			continue
		}
		var out []string
		_ = localapi.ReadLogs(p, keeperapi.LogQuery{Services: []string{service}, Tail: tailLines}, func(line logs.Line) error {
			if !line.Note {
				out = append(out, line.Text)
			}
			return nil
		}) // what cannot be read is not shown
		return out
	}
	return nil
}
