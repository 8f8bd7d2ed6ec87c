package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/explain/words"
	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/probe"
	"lodge/internal/selection"
	"lodge/internal/service"
)

// lookup finds a host's addresses.
type lookup = func(ctx context.Context, host string) ([]netip.Addr, error)

// serviceTarget returns where a service listens, and its host there. A service that
// listens on several ports is probed at the one that its file names.
func serviceTarget(n *daemonview.Service, text string, udp bool) (probe.Target, lookup, error) {
	s := &n.Status
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
	case n.Port != 0:
		eps = slices.DeleteFunc(eps, func(e loopback.Endpoint) bool { return e.Port != n.Port })
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
		return probe.Target{}, nil, &kit.Hinted{Err: fmt.Errorf("probe %s: "+format, append([]any{n}, args...)...), Hint: hint}
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
		host = n.HostName()
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

// findTarget reads what is to be probed: an address, or a service that is up.
// The lookup, if not nil, finds addresses of names that this
// machine's resolver may not know.
func findTarget(ctx context.Context, k *kit.Kit, text string, udp bool) (probe.Target, lookup, error) {
	t, err := probe.ParseTarget(text)
	bad := func(err error) error {
		return &kit.UsageError{Err: err, Hint: "such as 8080, localhost:5432, [::1]:80, https://localhost:8443/, or the name of a service that is up"}
	}
	host := names.Normalize(t.Host)
	test := err == nil && strings.HasSuffix(host, "."+names.TCPDomain)
	word := !strings.ContainsAny(text, ".:[") && !daemonview.IsNumber(text)
	if !test && !word {
		if err != nil {
			err = bad(err)
		}
		return t, nil, err
	}
	l := daemonview.Open(ctx, k)
	defer l.Close()
	if word {
		n, nerr := l.ServiceNamed(text, k.Env.Dir, err == nil)
		switch {
		case nerr != nil:
			return t, nil, nerr
		case n != nil:
			return serviceTarget(n, text, udp)
		case err != nil:
			return t, nil, bad(err)
		}
		return t, nil, nil
	}
	f := l.Find(ctx, host)
	if f == nil {
		return t, nil, nil
	}
	if !strings.Contains(text, ":") && f.Service != nil && f.Project.State != "down" {
		return serviceTarget(&daemonview.Service{Project: f.Project, Status: *f.Service, Port: f.Port}, text, udp) // a name by itself means its service's port
	}
	find, err := lodgeLookup(ctx, k, f, text, host)
	return t, find, err
}

// lodgeLookup finds the address of a name below test as the hosts file has it,
// or else as lodge does.
func lodgeLookup(ctx context.Context, k *kit.Kit, f *daemonview.Found, text, host string) (lookup, error) {
	if ips, err := hostsFile(ctx, host); err == nil && len(ips) > 0 {
		return nil, nil // what programs do is enough
	}
	home, err := netip.ParseAddr(f.Project.Home)
	switch {
	case f.Project.State == "down" || err != nil:
		return nil, &kit.Hinted{Err: fmt.Errorf("probe %s: project %s is not up", text, f.Project.Name), Hint: "cd " + words.ShellWord(f.Project.Path) + " && lodge up"}
	case f.Missing != "":
		_, err := selection.Service(f.Project, f.Missing)
		return nil, err
	}
	short, cancel := context.WithTimeout(ctx, daemonview.Patience)
	defer cancel()
	if why := f.Unresolved(short); why != "" {
		fmt.Fprintf(k.Err, "lodge: only lodge knows %s: %s\n", host, why)
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
