package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/project"
	"lodge/internal/sockets"
	"lodge/internal/target"
)

// selection is which sockets the words and flags of a command line select:
// what the engine looks for, and what is left to look at in what it gives.
// Words of one kind widen, words of different kinds narrow: `5432 6379` is two
// ports, `5432 postgres` is one port of one program.
type selection struct {
	filter    sockets.Filter
	protocols []string
	// places are ports, with or without an address.
	places []place
	// names are words that are a project's name or else a process's; which,
	// is known when the projects are.
	names []string
	// services are of one project each.
	services []projectService
	// guessed are those of services that are words and no flags.
	guessed []projectService
	// hosts are names such as lodge gives, which the daemon knows best.
	hosts []hostWord
	// families are ipv4 and ipv6; none is both.
	families []string
	// listening leaves out TCP sockets that have a port and do not listen.
	listening bool
}

// place is one port or several, at one address or at all.
type place struct {
	addrs    []netip.Prefix // none is all
	from, to uint16
}

type projectService struct{ project, service string }

// hostWord is a host name below localhost or test, with the port that goes
// with it, if one was written.
type hostWord struct {
	name  string
	place *place
}

// maxEnginePorts is how many ports the engine is told. More are looked for in
// what it gives: a list of thousands would slow the kernel down.
const maxEnginePorts = 64

// word takes one word of the command line. unix says that Unix sockets are asked
// for, so that any path may be the path of one.
func (s *selection) word(w string, unix bool) error {
	text := strings.TrimSpace(w)
	if text == "" {
		return wrongWord(w, "it is empty", "a port, an address, a process or a project")
	}
	if strings.ContainsAny(text, " \t") || !strings.Contains(text, "://") && isPlainName(text) {
		return s.name(w, text)
	}
	t, err := target.Parse(text)
	var port *target.PortError
	var order *target.OrderError
	var host *target.HostError
	switch {
	case errors.As(err, &order):
		return &usageError{err: fmt.Errorf("read ports \"%d-%d\": the first is the larger one", order.First, order.Last), hint: fmt.Sprintf("%d-%d", order.Last, order.First)}
	case strings.Contains(text, "://") && err != nil:
		return wrongWord(w, "it is not an address", "for example: lodge ports 127.0.0.1:3000")
	case errors.As(err, &port) && (isDigits(port.Text) || t.IP.IsValid() || startsWithDigit(port.Text)):
		return wrongPort(port.Text)
	case errors.As(err, &host) && t.HasPort:
		return wrongWord(w, fmt.Sprintf("%q is not an address", host.Host), "an IP address or localhost, such as 127.0.0.1:80")
	case err != nil:
		return s.name(w, text)
	}
	return s.address(w, text, &t, unix)
}

// isPlainName reports whether a word is a name without anything of an address:
// a process, a project, PROJECT/SERVICE.
func isPlainName(text string) bool {
	if _, _, ok := cutPID(text); ok {
		return true
	}
	if text == "localhost" || strings.ContainsAny(text, ":@*#") || strings.HasPrefix(text, "/") || strings.HasPrefix(text, ".") && strings.Contains(text, "/") {
		return false
	}
	head, _, slash := strings.Cut(text, "/")
	if slash {
		if proto := strings.ToLower(head); (proto == "tcp" || proto == "udp") && isDigits(text[len(head)+1:]) {
			return false // tcp/80
		}
		_, err := netip.ParseAddr(head)
		return err != nil && head != "localhost" && !isPorts(head) && !isHostWord(head)
	}
	return strings.Trim(text, "0123456789.-") != "" && !isHostWord(text)
}

// address takes a word that is an address by package target.
func (s *selection) address(w, text string, t *target.Target, unix bool) error {
	if t.Unix != "" {
		base := text[strings.LastIndexByte(text, '/')+1:]
		if !unix && text[0] == '/' && !strings.Contains(base, "sock") {
			return wrongWord(w, "it is a path", "lodge ports "+base+" for a process, lodge ports -x "+text+" for a socket")
		}
		s.protocols = append(s.protocols, string(protocolUnix))
		s.filter.Paths = append(s.filter.Paths, unixPaths(t.Unix)...)
		return nil
	}
	if t.Protocol != "" {
		s.protocols = append(s.protocols, string(t.Protocol))
	}
	var p *place
	if t.HasPort {
		p = &place{from: t.Port, to: t.Last}
	}
	addrs, ok := targetAddresses(t)
	switch {
	case t.Host == "" && !t.Block.IsValid() && p != nil:
		s.places = append(s.places, *p)
	case !ok && isHostWord(t.Host):
		if t.Implied {
			p = nil // only lodge's proxy has the port of a service's address
		}
		s.hosts = append(s.hosts, hostWord{t.Host, p})
	case !ok && p == nil:
		return s.name(w, text)
	case !ok:
		return wrongWord(w, fmt.Sprintf("%q is not an address", t.Host), "an IP address or localhost, such as 127.0.0.1:"+strconv.Itoa(int(t.Port)))
	case p == nil:
		s.filter.Addresses = append(s.filter.Addresses, addrs...)
	default:
		p.addrs = addrs
		s.places = append(s.places, *p)
	}
	return nil
}

// unixPaths are the ways in which a socket at a path may have been bound.
func unixPaths(path string) []string {
	out := []string{path}
	if strings.HasPrefix(path, "@") {
		return out
	}
	for _, f := range []func(string) (string, error){filepath.Abs, filepath.EvalSymlinks} {
		if p, err := f(path); err == nil && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	if rest, ok := strings.CutPrefix(path, "/var/run/"); ok {
		out = append(out, "/run/"+rest)
	} else if rest, ok := strings.CutPrefix(path, "/run/"); ok {
		out = append(out, "/var/run/"+rest)
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

// name takes a word that is no number: a process, a project, PROJECT/SERVICE,
// name[PID] as lodge prints it.
func (s *selection) name(w, text string) error {
	if strings.Trim(text, "0123456789.:/-[]%*") == "" {
		return wrongWord(w, "it is neither a port nor an address", "ports are 1 to 65535, addresses such as 127.0.0.1, ::1 or 10.0.0.0/8")
	}
	if name, pid, ok := cutPID(text); ok {
		if name != "" {
			s.filter.Names = append(s.filter.Names, name)
		}
		s.filter.PIDs = append(s.filter.PIDs, pid)
		return nil
	}
	switch p, svc, ok := strings.Cut(text, "/"); {
	case strings.HasPrefix(text, "/"):
		return wrongWord(w, "it is a path", "lodge ports "+text[strings.LastIndexByte(text, '/')+1:])
	case !ok:
		s.names = append(s.names, text)
	case p == "" || svc == "" || strings.Contains(svc, "/"):
		return wrongWord(w, "it is not PROJECT/SERVICE", "for example: lodge ports shop/web")
	default:
		s.guessed = append(s.guessed, projectService{p, svc})
		s.service(projectService{p, svc})
	}
	return nil
}

func (s *selection) service(svc projectService) {
	if svc.service == "" {
		s.filter.Projects = append(s.filter.Projects, svc.project)
		return
	}
	s.services = append(s.services, svc)
}

// isHostWord reports whether a word is a name below localhost or test.
func isHostWord(text string) bool {
	_, ok := readHost(text)
	return ok
}

// readHost reads web.shop.localhost and web.shop.test, whatever stands in
// front: the service web of the project shop, as those are mostly called.
func readHost(text string) (projectService, bool) {
	labels := strings.Split(names.Normalize(text), ".")
	n := len(labels)
	if n < 2 || labels[n-1] != names.HTTPDomain && labels[n-1] != names.TCPDomain || slices.Contains(labels, "") {
		return projectService{}, false
	}
	svc := projectService{project: labels[n-2]}
	if n > 2 {
		svc.service = labels[n-3]
	}
	return svc, true
}

// cutPID reads name[PID].
func cutPID(text string) (name string, pid int, ok bool) {
	i := strings.LastIndexByte(text, '[')
	if i < 0 || !strings.HasSuffix(text, "]") {
		return "", 0, false
	}
	pid, err := strconv.Atoi(text[i+1 : len(text)-1])
	return text[:i], pid, err == nil && pid > 0
}

// targetAddresses returns the addresses that a word means: one, a block, or
// localhost, which is all of 127.0.0.0/8 and ::1.
func targetAddresses(t *target.Target) ([]netip.Prefix, bool) {
	switch {
	case t.Block.IsValid():
		return []netip.Prefix{t.Block}, true
	case t.IP.IsValid():
		a := t.IP.Unmap().WithZone("") // a prefix has none
		return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}, true
	case strings.EqualFold(strings.TrimSuffix(t.Host, "."), "localhost"):
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, true
	}
	return nil, false
}

// parseAddresses reads an address, a block or localhost, without a port.
func parseAddresses(text string) ([]netip.Prefix, bool) {
	t, err := target.Parse(text)
	if err != nil || t.HasPort {
		return nil, false
	}
	return targetAddresses(&t)
}

// isPorts reports whether the text can only mean a port or a range of ports.
func isPorts(text string) bool {
	from, to, ok := strings.Cut(text, "-")
	return isDigits(from) && (!ok || isDigits(to))
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// parsePorts reads 5432, 3000-3010 or http.
func parsePorts(text string) (place, error) {
	t, err := target.Parse(":" + strings.TrimPrefix(text, ":"))
	var order *target.OrderError
	switch {
	case errors.As(err, &order):
		return place{}, &usageError{err: fmt.Errorf("read ports %q: the first is the larger one", text), hint: fmt.Sprintf("%d-%d", order.Last, order.First)}
	case err != nil:
		return place{}, wrongPort(text)
	}
	return place{from: t.Port, to: t.Last}, nil
}

func wrongPort(text string) error {
	if isDigits(text) {
		return &usageError{err: fmt.Errorf("read port %q: it is not between 0 and 65535", text), hint: "lodge ports --pid N selects by process id"}
	}
	return &usageError{err: fmt.Errorf("read port %q: it is not a number", text), hint: "for example 5432, or 3000-3010"}
}

func wrongWord(word, why, hint string) error {
	return &usageError{err: fmt.Errorf("read %q: %s", word, why), hint: hint}
}

// resolve gives the words that are names their meaning: a project that is up,
// or else a process. find, which may be nil, says what a host name leads to.
func (s *selection) resolve(homes []sockets.Home, find func(host string) *found) {
	for _, n := range s.names {
		if slices.ContainsFunc(homes, func(h sockets.Home) bool { return h.Project == n }) {
			s.filter.Projects = append(s.filter.Projects, n)
		} else {
			s.filter.Names = append(s.filter.Names, n)
		}
	}
	for _, h := range s.hosts {
		svc, _ := readHost(h.name)
		var f *found
		if find != nil {
			f = find(h.name)
		}
		if f != nil {
			svc.project = f.project.Shown()
			if f.service != nil {
				svc.service = f.service.Name
			}
		}
		// An address with the port of lodge's proxy means the service behind it.
		if h.place != nil && !(f != nil && !f.tcp && h.place.from == urlPort(f.project.URL)) {
			s.places = append(s.places, *h.place)
		}
		s.service(svc)
	}
	s.names, s.hosts = nil, nil
}

// query adds to q what the engine can look for by itself.
func (s *selection) query(q sockets.Query) sockets.Query {
	q.Filter = s.filter
	q.Protocols = slices.Compact(slices.Sorted(slices.Values(s.protocols)))
	n := 0
	for _, p := range s.places {
		n += int(p.to-p.from) + 1
	}
	if n <= maxEnginePorts {
		for _, p := range s.places {
			for port := int(p.from); port <= int(p.to); port++ {
				q.Filter.Ports = append(q.Filter.Ports, uint16(port))
			}
		}
	}
	for _, svc := range s.services {
		q.Filter.Projects = append(q.Filter.Projects, svc.project)
		q.Filter.Services = append(q.Filter.Services, svc.service)
	}
	return q
}

// keep returns what the engine could not know: whether a row is wanted. It is
// nil where all are.
func (s *selection) keep() func(*sockets.Row) bool {
	var keeps []func(*sockets.Row) bool
	if len(s.places) > 0 {
		keeps = append(keeps, s.atPlace)
	}
	if len(s.services) > 0 {
		keeps = append(keeps, s.ofService)
	}
	if len(s.families) > 0 {
		keeps = append(keeps, func(r *sockets.Row) bool { return slices.Contains(s.families, r.Family) })
	}
	if s.listening {
		keeps = append(keeps, func(r *sockets.Row) bool { return r.State == "listen" || r.Protocol != loopback.TCP })
	}
	if len(keeps) == 0 {
		return nil
	}
	return func(r *sockets.Row) bool {
		return !slices.ContainsFunc(keeps, func(keep func(*sockets.Row) bool) bool { return !keep(r) })
	}
}

func (s *selection) atPlace(r *sockets.Row) bool {
	for _, p := range s.places {
		// Who listens on all addresses listens on this one too.
		if r.Local != nil && p.has(r.Local, r.Remote == nil) || r.Remote != nil && p.has(r.Remote, false) {
			return true
		}
	}
	return false
}

func (p place) has(a *sockets.Address, wildcard bool) bool {
	if a.Port < p.from || a.Port > p.to {
		return false
	}
	if len(p.addrs) == 0 || wildcard && a.IP.IsUnspecified() {
		return true
	}
	ip := a.IP.WithZone("")
	return slices.ContainsFunc(p.addrs, func(x netip.Prefix) bool { return x.Contains(ip) })
}

func (s *selection) ofService(r *sockets.Row) bool {
	return slices.ContainsFunc(s.services, func(svc projectService) bool {
		return svc == projectService{r.Project, r.Service} || r.Peer != nil && svc == projectService{r.Peer.Project, r.Peer.Service}
	})
}

// choose reads one of a closed list of words. Case, - and _ do not matter;
// also gives other words for some of them.
func choose(what, text string, list []string, also map[string]string) (string, error) {
	bare := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
	}
	for _, w := range list {
		if bare(w) == bare(text) {
			return w, nil
		}
	}
	if w, ok := also[bare(text)]; ok {
		return w, nil
	}
	hint := "one of " + strings.Join(list, ", ")
	if n := project.Nearest(text, list); n != "" {
		hint = "did you mean " + n + "? There are " + strings.Join(list, ", ")
	}
	return "", &usageError{err: fmt.Errorf("read %s %q: there is none such", what, text), hint: hint}
}

func parseState(text string) (string, error) {
	return choose("state", text, []string{
		"listen", "established", "syn_sent", "syn_recv", "fin_wait_1", "fin_wait_2", "time_wait", "close", "close_wait", "last_ack", "closing", "bound", "connected",
	}, map[string]string{"listening": "listen", "estab": "established", "synreceived": "syn_recv", "closed": "close", "unconn": "bound"})
}

func scopeNames() []string {
	return []string{
		string(loopback.ScopeLoopback), string(loopback.ScopeHome), string(loopback.ScopeLAN), string(loopback.ScopeContainer),
		string(loopback.ScopeLinkLocal), string(loopback.ScopeAll), string(loopback.ScopeMulticast),
	}
}

func parseScope(text string) (loopback.Scope, error) {
	s, err := choose("scope", text, scopeNames(), map[string]string{"all": "all-interfaces", "any": "all-interfaces", "wildcard": "all-interfaces", "local": "loopback"})
	return loopback.Scope(s), err
}

// parseUser reads a user's name or number.
func parseUser(text string) (uint32, error) {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return uint32(n), nil
	}
	u, err := user.Lookup(text)
	if err != nil {
		var unknown user.UnknownUserError
		if errors.As(err, &unknown) {
			err = errors.New("there is none such")
		}
		return 0, &usageError{err: fmt.Errorf("read user %q: %w", text, err), hint: "a name of /etc/passwd, or a number"}
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read user %q: %w", text, err)
	}
	return uint32(n), nil
}

func parsePID(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, &usageError{err: fmt.Errorf("read process id %q: it is not a positive number", text), hint: "lodge ports --process NAME selects by name"}
	}
	return n, nil
}
