package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/explain/words"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/operation"
	"lodge/internal/probe"
	"lodge/internal/service"
)

// named is a service that was meant by a word.
type named struct {
	project localapi.Project
	service service.Status
	port    uint16 // the one that was meant, or 0
}

func (n *named) String() string { return n.project.Shown() + "/" + n.service.Name }

// serviceNamed finds the service that a word means: PROJECT/SERVICE, or
// SERVICE alone, which is first one of the project here and else the only one
// of that name, unless other says that the word means something else already.
// It gives nil for a word that means none.
func (l *look) serviceNamed(word, dir string, other bool) (*named, error) {
	if strings.ContainsAny(word, ".:[") {
		return nil, nil
	}
	if project, svc, ok := strings.Cut(word, "/"); ok {
		return l.inProject(project, svc)
	}
	if p, ok := operation.Above(l.own.projects, dir); ok {
		if n := inside(p, word); n != nil {
			return n, nil
		}
	}
	if other {
		return nil, nil
	}
	var all []*named
	for _, p := range l.Projects {
		if n := inside(p, word); n != nil {
			all = append(all, n)
		}
	}
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		return all[0], nil
	}
	var which []string
	for _, n := range all {
		which = append(which, n.String())
	}
	return nil, &usageError{err: fmt.Errorf("find service %s: %d projects have one", word, len(all)), hint: "say which: " + strings.Join(which, ", ")}
}

// projectNamed returns the label of the project that a word names, or "".
func (l *look) projectNamed(word string) string {
	for _, p := range l.Projects {
		if isCalled(p, word) {
			return p.Label
		}
	}
	return ""
}

// inProject finds a service of the project that has the name, or nil where
// none has.
func (l *look) inProject(project, svc string) (*named, error) {
	for _, p := range l.Projects {
		if !isCalled(p, project) {
			continue
		}
		if n := inside(p, svc); n != nil {
			return n, nil
		}
		if svc == "" || strings.Contains(svc, "/") {
			return nil, nil // a path
		}
		_, err := operation.ServiceOf(p, svc)
		return nil, err
	}
	return nil, nil
}

// inside finds what a project calls by a name: a service, or a port of one.
func inside(p localapi.Project, name string) *named {
	if i := indexOf(p, name); i >= 0 {
		return &named{project: p, service: p.Services[i]}
	}
	for _, s := range p.Services {
		for _, n := range s.PortNames {
			if n.Name == name {
				return &named{p, s, n.Port}
			}
		}
	}
	return nil
}

func indexOf(p localapi.Project, svc string) int {
	return slices.IndexFunc(p.Services, func(s service.Status) bool { return s.Name == svc })
}

// lookup finds a host's addresses.
type lookup = func(ctx context.Context, host string) ([]netip.Addr, error)

// target is where a service listens, and what its host is there. One that listens on several ports is
// probed at the one that its file names.
func (n *named) target(text string, udp bool) (probe.Target, lookup, error) {
	s := &n.service
	want := loopback.TCP
	if udp {
		want = loopback.UDP
	}
	var eps []loopback.Endpoint
	for _, e := range s.Endpoints {
		if e.Protocol != want {
			continue
		}
		// One port in both families is one server.
		i := slices.IndexFunc(eps, func(o loopback.Endpoint) bool { return o.Port == e.Port })
		switch {
		case i < 0:
			eps = append(eps, e)
		case e.IP.Is4():
			eps[i] = e
		}
	}
	switch {
	case n.port != 0:
		eps = slices.DeleteFunc(eps, func(e loopback.Endpoint) bool { return e.Port != n.port })
	case s.HTTP != 0:
		keepPort(s.HTTP, &eps)
	default:
		keepPort(s.Port, &eps)
	}
	if len(eps) > 1 {
		// What Linux chose for a server is hardly the server's own port.
		chosen := slices.DeleteFunc(slices.Clone(eps), func(e loopback.Endpoint) bool { return service.Ephemeral(e.Port) })
		if len(chosen) > 0 {
			eps = chosen
		}
	}
	var at []netip.AddrPort
	for _, e := range eps {
		at = append(at, e.AddrPort())
	}
	fail := func(hint, format string, args ...any) (probe.Target, lookup, error) {
		return probe.Target{}, nil, &hinted{err: fmt.Errorf("probe %s: "+format, append([]any{n}, args...)...), hint: hint}
	}
	switch {
	case len(at) == 0 && s.State == service.Idle && s.URL != "":
		return fail("lodge probe "+s.URL, "it is idle, and started by the first request for its name")
	case len(at) == 0 && (s.State == service.Starting || s.State == service.Waiting || s.State == service.Up):
		return fail("see what it does: lodge logs "+s.Name, "it is %s, and listens on no %s port", s.State, strings.ToUpper(string(want)))
	case len(at) == 0 && s.Reason != "":
		return fail("lodge logs "+s.Name, "it is not running (%s)", s.Reason)
	case len(at) == 0:
		return fail("lodge restart "+s.Name, "it is %s, and listens nowhere", s.State)
	case len(at) > 1:
		var ports []string
		for _, a := range at {
			ports = append(ports, a.String())
		}
		return fail("lodge probe "+ports[0], "it listens on %d ports: %s", len(at), strings.Join(ports, ", "))
	}
	// By its name, since servers of HTTP may insist on one that they know.
	host := at[0].Addr().String()
	if s.URL != "" {
		host = n.hostName()
	}
	address := net.JoinHostPort(host, strconv.Itoa(int(at[0].Port())))
	t, err := probe.ParseTarget(s.Scheme + "://" + address)
	if err != nil {
		t, err = probe.ParseTarget(address)
	}
	t.Text = text
	ip := at[0].Addr()
	return t, func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{ip}, nil }, err
}

// keepPort drops every endpoint but those at the given port, if there are any.
func keepPort(port uint16, eps *[]loopback.Endpoint) {
	if i := slices.IndexFunc(*eps, func(e loopback.Endpoint) bool { return e.Port == port }); i >= 0 {
		*eps = []loopback.Endpoint{(*eps)[i]}
	}
}

// hostName returns the host name of the service for people: below localhost
// where it speaks HTTP, else below test.
func (n *named) hostName() string {
	if n.service.URL != "" {
		return n.service.Name + "." + n.project.Label + "." + names.HTTPDomain
	}
	return n.service.HostName
}

// probeTarget reads what is to be probed: an address, or a service that is up.
// The function that it gives, if not nil, finds addresses of names that this
// machine's resolver may not know.
func (a *app) probeTarget(ctx context.Context, text string, udp bool) (probe.Target, lookup, error) {
	t, err := probe.ParseTarget(text)
	bad := func(err error) error {
		return &usageError{err: err, hint: "such as 8080, localhost:5432, [::1]:80, https://localhost:8443/, or the name of a service that is up"}
	}
	host := names.Normalize(t.Host)
	test := err == nil && strings.HasSuffix(host, "."+names.TCPDomain)
	word := !strings.ContainsAny(text, ".:[") && !isDigits(text)
	if !test && !word {
		if err != nil {
			err = bad(err)
		}
		return t, nil, err
	}
	l := a.look(ctx)
	defer l.Close()
	if word {
		n, nerr := l.serviceNamed(text, a.env.Dir, err == nil)
		switch {
		case nerr != nil:
			return t, nil, nerr
		case n != nil:
			return n.target(text, udp)
		case err != nil:
			return t, nil, bad(err)
		}
		return t, nil, nil
	}
	f := l.find(ctx, host)
	if f == nil {
		return t, nil, nil
	}
	if !strings.Contains(text, ":") && f.service != nil && f.project.State != "down" {
		return (&named{f.project, *f.service, f.port}).target(text, udp) // a name by itself means its service's port
	}
	find, err := a.lodgeLookup(ctx, f, text, host)
	return t, find, err
}

// lodgeLookup finds the address of a name below test as the hosts file has it,
// or else as lodge does.
func (a *app) lodgeLookup(ctx context.Context, f *found, text, host string) (lookup, error) {
	if ips, err := hostsFile(ctx, host); err == nil && len(ips) > 0 {
		return nil, nil // what programs do is enough
	}
	home, err := netip.ParseAddr(f.project.Home)
	switch {
	case f.project.State == "down" || err != nil:
		return nil, &hinted{err: fmt.Errorf("probe %s: project %s is not up", text, f.project.Name), hint: "cd " + words.ShellWord(f.project.Path) + " && lodge up"}
	case f.missing != "":
		_, err := operation.ServiceOf(f.project, f.missing)
		return nil, err
	}
	short, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	if why := f.unresolved(short); why != "" {
		fmt.Fprintf(a.err, "lodge: only lodge knows %s: %s\n", host, why)
	}
	return func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{home}, nil }, nil
}

// hostsFile looks a name up in the hosts file alone.
func hostsFile(ctx context.Context, host string) ([]netip.Addr, error) {
	r := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("not asked")
	}}
	return r.LookupNetIP(ctx, "ip", host)
}
