package explain

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"lodge/internal/explain/firewall"
	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// connectCauses reports why a connection fails.
func (f *Facts) connectCauses() []Cause {
	if !f.Question.HasPort {
		return nil
	}
	to := f.connectTo()
	var open, shut []netip.Addr
	for _, ip := range to {
		switch {
		case !f.isLocal(ip):
		case len(f.listeners(ip)) > 0:
			open = append(open, ip)
		default:
			shut = append(shut, ip)
		}
	}
	var out []Cause
	if f.LoDown && slices.ContainsFunc(to, netip.Addr.IsLoopback) {
		out = append(out, f.loopbackDown())
	}
	for _, ip := range to {
		if f.isLocal(ip) || len(open) > 0 && f.sameName() {
			continue
		}
		if errno, ok := f.Routes[ip]; ok && !ip.IsLoopback() {
			out = append(out, f.noRoute(ip, errno))
		}
		if n, ok := f.Spaces[ip]; ok {
			out = append(out, f.inSpace(ip, n))
		} else {
			out = append(out, f.notLocal(ip, input.Connect))
		}
	}
	out = append(out, f.firewalled(to)...)
	switch {
	case len(open) == 0 && len(shut) > 0:
		out = append(out, f.nobody(shut)...)
	case len(shut) > 0 && f.shutFirst(to):
		out = append(out, f.familyOrder(to, open))
	}
	for _, ip := range open {
		out = append(out, f.listenerTrouble(ip)...)
	}
	out = append(out, f.emptyForwards()...)
	out = append(out, f.exhausted(to)...)
	out = append(out, f.closeWait()...)
	if len(open) > 0 && f.Question.Errno == "ECONNREFUSED" && len(out) == 0 {
		out = append(out, f.listensNow(open[0]))
	}
	return uniqueCauses(out)
}

// sameName reports whether the targets are what one name means, so that a program
// tries one after the other.
func (f *Facts) sameName() bool { return f.Resolution != nil || len(f.Targets) == 0 }

// shutFirst reports whether a program that tries the addresses of a name in order
// meets one where nobody listens before one where somebody does.
func (f *Facts) shutFirst(to []netip.Addr) bool {
	if f.Resolution == nil {
		return false
	}
	order := f.Resolution.Addresses
	if len(order) == 0 {
		order = to
	}
	first := order[0].Unmap()
	return f.isLocal(first) && len(f.listeners(first)) == 0
}

// uniqueCauses keeps the first of those that say the same.
func uniqueCauses(in []Cause) []Cause {
	var out []Cause
	for _, c := range in {
		if !slices.ContainsFunc(out, func(o Cause) bool { return o.Code == c.Code && o.Summary == c.Summary }) {
			out = append(out, c)
		}
	}
	return out
}

func (f *Facts) nameUnknown() Cause {
	c := Cause{Code: NameUnknown, Operation: input.Connect, Sure: true, Summary: fmt.Sprintf("The name %s leads nowhere on this machine: %s.", f.Question.Name, f.Resolution.Err)}
	c.Evidence = append(c.Evidence, "the hosts file does not have it", "asked: "+f.Resolution.Source)
	switch {
	case strings.HasSuffix(f.Question.Name, ".test"):
		c.Hint = "a name in .test works where something answers for it, such as a line in /etc/hosts"
	case !strings.Contains(f.Question.Name, "."):
		c.Hint = "a bare name such as a container's or a service's is known only inside its own network; from this machine use localhost and the published port"
	}
	return c
}

func (f *Facts) named(project string) *Project {
	for i := range f.Projects {
		if f.Projects[i].Name == project {
			return &f.Projects[i]
		}
	}
	return nil
}

func (f *Facts) notLocal(ip netip.Addr, op input.Operation) Cause {
	b := loopback.BlockOf(ip)
	c := Cause{Code: NotLocal, Operation: op, Sure: true}
	switch {
	case ip.IsLoopback():
		c.Summary = fmt.Sprintf("This machine has no %s: IPv6 is switched off on its loopback interface.", ip)
		c.Evidence = []string{"the interface lo does not have the address"}
		c.Hint = "use 127.0.0.1, or: sysctl -w net.ipv6.conf.lo.disable_ipv6=0"
	case op == input.Bind:
		c.Summary = fmt.Sprintf("%s is not an address of this machine, so no program here can listen on it.", ip)
		c.Hint = "listen on 127.0.0.1, or on one of the machine's own: " + f.ownAddresses(ip.Is4())
	default:
		c.Summary = fmt.Sprintf("%s is another machine's address: whether somebody listens there cannot be seen from here.", ip)
		c.Hint = "look on that machine, or connect to one of this machine's: " + f.ownAddresses(ip.Is4())
	}
	if !ip.IsLoopback() {
		c.Evidence = []string{"no interface has it", fmt.Sprintf("it is in %s (%s, %s)", b.Prefix, b.Name, b.RFC)}
	}
	return c
}

// ownAddresses lists this machine's addresses of a family.
func (f *Facts) ownAddresses(four bool) string {
	var out []string
	for ip, iface := range f.Local {
		if ip.Is4() == four && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			out = append(out, fmt.Sprintf("%s (%s)", ip, iface))
		}
	}
	slices.Sort(out)
	if len(out) > 6 {
		out = append(out[:6], "…")
	}
	if four {
		out = append(out, "127.0.0.1 (lo)")
	} else if _, ok := f.Local[netip.IPv6Loopback()]; ok {
		out = append(out, "::1 (lo)")
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

// firewalled reports the rules that stop connections. Where a name has several
// addresses and one is let through, that is enough.
func (f *Facts) firewalled(to []netip.Addr) []Cause {
	var out []Cause
	for _, ip := range to {
		for _, x := range f.Filter[ip].Findings {
			if !x.Sure && f.Question.Errno != "ETIMEDOUT" && f.Question.Errno != "EACCES" {
				continue // what may match is worth a word only where something is amiss
			}
			out = append(out, f.rule(ip, x))
		}
	}
	return out
}

func (f *Facts) rule(ip netip.Addr, x firewall.Finding) Cause {
	c := Cause{Code: FirewallRule, Operation: input.Connect, Sure: x.Sure}
	what := map[firewall.Outcome]string{
		firewall.Drop:     "drops connections to %s without a word, so they time out",
		firewall.Reject:   "refuses connections to %s",
		firewall.Redirect: "sends connections to %s somewhere else",
		firewall.Queue:    "hands connections to %s to a program that decides",
	}[x.Outcome]
	may := "A firewall rule "
	if !x.Sure {
		may = "A firewall rule that may apply "
	}
	if x.Reply {
		what = strings.Replace(what, "connections to", "the answers from", 1)
	}
	c.Summary = may + fmt.Sprintf(what, f.endpoint(ip)) + "."
	c.Evidence = append(c.Evidence, "chain "+x.Chain+" (at "+x.Hook+")", "rule "+x.Rule)
	if x.Comment != "" {
		c.Evidence = append(c.Evidence, "its comment says: "+x.Comment)
	}
	if x.Delete != "" {
		c.Hint = "to take the rule away: " + x.Delete
	}
	return c
}

// nobody reports why nobody answers at addresses that are this machine's.
func (f *Facts) nobody(shut []netip.Addr) []Cause {
	var out []Cause
	ip := shut[0]
	out = append(out, f.died(ip)...)
	var homes, others, strange, bound []*sockets.Row
	for _, r := range f.at(listens) {
		switch project := f.rowProject(r); {
		case project != "" && !f.inSameHome(r, ip):
			homes = append(homes, r)
		case project == "" && r.Scope == loopback.ScopeHome:
			// A home that this user's lodge does not know is somebody else's.
			strange = append(strange, r)
		default:
			others = append(others, r)
		}
	}
	if f.protocol() == loopback.TCP {
		bound = f.at(func(r *sockets.Row) bool { return r.State == "bound" && r.Covers(ip) })
	}
	for _, r := range bound {
		c := Cause{
			Code: BoundOnly, Operation: input.Connect, Sure: true, PIDs: f.pids(r),
			Summary:  fmt.Sprintf("%s has bound %s but does not listen on it, so connections are refused.", upper(f.who(r)), f.own(r)),
			Evidence: append([]string{"the socket is bound, and not in state listen"}, f.about(r)...),
			Hint:     "it may still be starting: look again, or read its log",
		}
		out = append(out, c)
	}
	if len(others) > 0 {
		out = append(out, f.elsewhereHere(shut, others))
	}
	if len(homes) > 0 {
		out = append(out, f.inHomes(ip, homes))
	}
	if len(f.Elsewhere) > 0 {
		out = append(out, f.inNamespaces(ip))
	}
	if len(out) > 0 {
		return out
	}
	c := Cause{
		Code: NobodyListens, Operation: input.Connect, Sure: true,
		Summary:  fmt.Sprintf("Nobody listens on %s.", f.endpoint(ip)),
		Evidence: []string{fmt.Sprintf("no %s socket on port %d listens, on any address, in any network namespace that can be seen", strings.ToUpper(string(f.protocol())), f.Question.Port)},
		Hint:     "start the server, or correct the port",
	}
	for _, r := range strange[:min(len(strange), maxShown)] {
		c.Evidence = append(c.Evidence, "in the home of another user's lodge: "+f.line(r))
	}
	for _, r := range f.of(other(f.protocol()), func(r *sockets.Row) bool { return listens(r) && r.Covers(ip) }) {
		c.Evidence[0] = fmt.Sprintf("no %s socket on port %d listens, on any address, in any network namespace that can be seen", strings.ToUpper(string(f.protocol())), f.Question.Port)
		c.Evidence = append(c.Evidence, f.line(r)+", "+strings.ToUpper(string(r.Protocol)))
		c.Summary = fmt.Sprintf("Nobody listens on %s by %s; by %s %s has the port.", f.endpoint(ip), strings.ToUpper(string(f.protocol())), strings.ToUpper(string(r.Protocol)), f.who(r))
		c.Hint = fmt.Sprintf("use %s, or start the server that is meant", strings.ToUpper(string(r.Protocol)))
		return []Cause{c}
	}
	if n := len(f.at(func(r *sockets.Row) bool { return r.State == "time_wait" })); n > 0 {
		c.Evidence = append(c.Evidence, fmt.Sprintf("%s still in TIME_WAIT: somebody used the port less than a minute ago", count(n, "connection is", "connections are")))
	}
	if use, ok := loopback.CommonUse(f.Question.Port); ok {
		c.Hint = fmt.Sprintf("start the server (the port is commonly used for %s), or correct the port", use)
	}
	return []Cause{c}
}

// inSameHome reports whether a socket and an address belong to the same home.
func (f *Facts) inSameHome(r *sockets.Row, ip netip.Addr) bool {
	p := f.project(ip)
	return p != nil && f.rowProject(r) == p.Name
}

// rowProject names the project in whose home a socket's address is.
func (f *Facts) rowProject(r *sockets.Row) string {
	if p := f.project(r.Local.IP); p != nil {
		return p.Name
	}
	if (r.Scope == loopback.ScopeHome || r.RealPort != 0) && r.Project != "" {
		return r.Project
	}
	return ""
}

func (f *Facts) elsewhereHere(shut []netip.Addr, others []*sockets.Row) Cause {
	c := Cause{Code: OtherAddress, Operation: input.Connect, Sure: true}
	var at []string
	for _, r := range others {
		at = add(at, f.own(r))
		c.Evidence = append(c.Evidence, f.line(r))
	}
	r, ip := others[0], shut[0]
	c.Evidence = append(c.Evidence, f.about(r)...)
	c.Summary = fmt.Sprintf("Nobody listens on %s: the server, %s, listens only on %s.", f.endpoint(ip), f.who(r), joinNames(at))
	own, at0 := r.Local.IP.Unmap(), f.dial(r)
	local := own.IsLoopback() || own.IsUnspecified()
	switch {
	case own.Is4() && local && ip.Is6():
		c.Hint = fmt.Sprintf("connect to %s (`localhost` may mean ::1 first), or make the server listen on ::1 too", at0)
	case own.Is6() && ip.Is4():
		c.Hint = fmt.Sprintf("connect to %s, or make the server listen on IPv4 too (such as --host 127.0.0.1)", at0)
	case !local && ip.IsLoopback():
		c.Hint = fmt.Sprintf("connect to %s, or make the server listen on 127.0.0.1", at0)
	case local && !ip.IsLoopback():
		c.Hint = fmt.Sprintf("connect to %s from this machine; to let others in, make the server listen on %s", at0, ip)
	default:
		c.Hint = "connect to " + at0
	}
	if len(shut) > 1 && f.sameName() && len(f.Targets) > 0 {
		c.Evidence = append(c.Evidence, fmt.Sprintf("tried: %s", joinNames(strs(shut))))
	}
	return c
}

func (f *Facts) inHomes(ip netip.Addr, homes []*sockets.Row) Cause {
	c := Cause{Code: InHome, Operation: input.Connect, Sure: true}
	var names, places []string
	for _, r := range homes {
		if p := f.rowProject(r); !slices.Contains(names, p) {
			names = append(names, p)
			places = append(places, fmt.Sprintf("%s at %s", p, f.homeOf(r)))
		}
		c.Evidence = append(c.Evidence, f.line(r))
	}
	r := homes[0]
	c.Evidence = append(c.Evidence, f.about(r)...)
	at := "the home of project " + names[0]
	if r.Service != "" {
		at = "its home"
	}
	c.Summary = fmt.Sprintf("Nobody listens on %s itself. %s has that port inside %s, which is %s.", f.endpoint(ip), upper(f.who(r)), at, f.homeOf(r))
	if len(names) > 1 {
		if more := len(places) - 4; more > 0 {
			places = append(places[:4:4], count(more, "more", "more"))
		}
		c.Summary = fmt.Sprintf("Nobody listens on %s itself. %d projects have that port, each in its home: %s.", f.endpoint(ip), len(names), joinNames(places))
	}
	c.Hint = fmt.Sprintf("from outside connect to %s", f.dial(r))
	if p := f.named(names[0]); p != nil {
		c.Hint += fmt.Sprintf("; or go inside: cd %s && lodge exec -- CMD", ShellWord(filepath.Clean(p.Path)))
	}
	return c
}

// homeOf returns the address of the home that a socket is in.
func (f *Facts) homeOf(r *sockets.Row) netip.Addr {
	if p := f.named(f.rowProject(r)); p != nil && r.RealPort != 0 {
		return p.Home4
	}
	return r.Local.IP
}

func (f *Facts) inNamespaces(ip netip.Addr) Cause {
	c := Cause{Code: InNamespace, Operation: input.Connect, Sure: true}
	var names []string
	container := false
	for i := range f.Elsewhere {
		r := &f.Elsewhere[i]
		name := "network namespace " + namespace(r)
		for _, p := range r.Processes {
			if p.Container != "" {
				name, container = "container "+short(p.Container), true
			}
		}
		names = add(names, name)
		c.Evidence = append(c.Evidence, fmt.Sprintf("%s in %s", f.line(r), name))
	}
	c.Summary = fmt.Sprintf("Nobody listens on %s here: the server listens in another network, %s.", f.endpoint(ip), joinNames(names))
	c.Hint = "its localhost is another one: connect to an address that leads there"
	if container {
		c.Hint = fmt.Sprintf("publish the port when the container is started: docker run -p 127.0.0.1:%d:%d", f.Question.Port, f.Question.Port)
	}
	return c
}

func namespace(r *sockets.Row) string {
	if r.NamespaceName != "" {
		return r.NamespaceName
	}
	return fmt.Sprint(r.Namespace)
}

// died finds the services that had the port and have ended.
func (f *Facts) died(ip netip.Addr) []Cause {
	var out []Cause
	for i := range f.Projects {
		p := &f.Projects[i]
		// Whoever asks for an address of a home asks for that project.
		if q := f.project(ip); q != nil && q != p {
			continue
		}
		for _, s := range p.Services {
			named := f.Name != nil && f.Name.Path == p.Path && f.Name.Service != nil && f.Name.Service.Name == s.Name
			if !s.Ended || named || !slices.Contains(s.Ports, f.Question.Port) {
				continue // what is said of a name is said there
			}
			c := Cause{
				Code: ProcessDied, Operation: input.Connect, Sure: true,
				Summary: fmt.Sprintf("Service %s of project %s has that port, but it has ended", s.Name, p.Name),
				Hint:    fmt.Sprintf("read its log: cd %s && lodge logs %s", ShellWord(p.Path), s.Name),
			}
			if s.Exit != nil {
				c.Summary += fmt.Sprintf(", with exit status %d", *s.Exit)
			}
			c.Summary += "."
			c.Evidence = append(c.Evidence, fmt.Sprintf("lodge says: %s is %s", s.Name, s.State))
			if s.Reason != "" {
				c.Evidence = append(c.Evidence, "because "+s.Reason)
			}
			out = append(out, c)
		}
	}
	for _, r := range f.at(func(r *sockets.Row) bool { return r.Closed != nil && !r.Unknown && len(r.Processes) == 0 }) {
		if _, ok := stat(r.Closed.PID); ok {
			continue
		}
		out = append(out, Cause{
			Code: ProcessDied, Operation: input.Connect, Sure: true,
			Summary:  fmt.Sprintf("The server, %s, has just ended.", process(r.Closed)),
			Evidence: []string{fmt.Sprintf("it had the socket %s, which no process holds any more", f.own(r))},
			Hint:     "start it again",
		})
		break
	}
	return out
}

func (f *Facts) familyOrder(to, open []netip.Addr) Cause {
	order := f.Resolution.Addresses
	if len(order) == 0 {
		order = to
	}
	first := order[0]
	c := Cause{
		Code: FamilyOrder, Operation: input.Connect, Sure: true,
		Summary: fmt.Sprintf("%s means %s first, and nobody listens there: the server listens on %s. Programs that try only the first address fail.", f.Question.Name, first, joinNames(strs(open))),
		Hint:    fmt.Sprintf("write %s instead of %s, or make the server listen on %s too", f.endpoint(open[0]), f.Question.Name, first),
	}
	c.Evidence = append(c.Evidence, fmt.Sprintf("%s: %s (%s)", f.Question.Name, joinNames(strs(order)), f.Resolution.Source))
	for _, l := range f.Resolution.Lines {
		c.Evidence = append(c.Evidence, "hosts file: "+l)
	}
	for _, r := range f.listeners(open[0]) {
		c.Evidence = append(c.Evidence, f.line(r))
	}
	return c
}
