package explain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
	"lodge/internal/target"
)

// Forward is what a proxy of published ports hands on.
type Forward struct {
	Proxy *sockets.Process
	To    netip.AddrPort
	// Server are the sockets that listen there, in their network namespace.
	Server []sockets.Row
	// Known says that the namespace of the address was found.
	Known bool
	Name  string
}

// lookElsewhere finds the network namespaces that have the addresses that are
// not here, and those behind a proxy of published ports.
func (f *Facts) lookElsewhere(ctx context.Context, src Source) error {
	var wanted []netip.Addr
	for _, ip := range f.connectTo() {
		if !f.isLocal(ip) {
			wanted = append(wanted, ip)
		}
	}
	f.Forwards = f.proxies()
	for _, w := range f.Forwards {
		wanted = append(wanted, w.To.Addr())
	}
	if len(wanted) == 0 {
		return nil
	}
	list, warnings, err := sockets.NamespacesWith(wanted)
	if err != nil {
		return err
	}
	f.Unseen = append(f.Unseen, warnings...)
	for _, n := range list {
		for _, ip := range n.Addresses {
			f.Spaces[ip] = n
		}
	}
	if len(f.Spaces) == 0 || !f.Question.HasPort && len(f.Forwards) == 0 {
		return nil
	}
	q := sockets.Query{Details: true, Homes: src.Homes, Live: src.Live, AllNamespaces: true, Protocols: []string{"tcp"}, States: []string{"listen"}}
	if f.protocol() == loopback.UDP {
		q.Protocols, q.States = []string{"udp"}, []string{"bound"}
	}
	q.Filter.Ports = []uint16{f.Question.Port}
	for _, w := range f.Forwards {
		q.Filter.Ports = append(q.Filter.Ports, w.To.Port())
	}
	t, err := sockets.List(ctx, q)
	if err != nil {
		return err
	}
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Namespace == 0 || r.Local == nil {
			continue
		}
		for ip, n := range f.Spaces {
			if n.Inode == r.Namespace && r.Local.Port == f.Question.Port && !f.isLocal(ip) {
				f.There = append(f.There, *r)
			}
		}
		for k := range f.Forwards {
			w := &f.Forwards[k]
			if n, ok := f.Spaces[w.To.Addr()]; ok && n.Inode == r.Namespace && r.Local.Port == w.To.Port() && r.Covers(w.To.Addr()) {
				w.Server = append(w.Server, *r)
			}
		}
	}
	for k := range f.Forwards {
		if n, ok := f.Spaces[f.Forwards[k].To.Addr()]; ok {
			f.Forwards[k].Known, f.Forwards[k].Name = true, n.Name
		}
	}
	return nil
}

// proxies reads where Docker's proxies among the holders send what they get.
func (f *Facts) proxies() []Forward {
	var out []Forward
	for i := range f.Rows {
		for _, p := range f.Rows[i].Processes {
			to, ok := forwardsTo(p)
			if ok && listens(&f.Rows[i]) && !slices.ContainsFunc(out, func(o Forward) bool { return o.Proxy.PID == p.PID }) {
				out = append(out, Forward{Proxy: p, To: to})
			}
		}
	}
	return out
}

// forwardsTo reads the arguments of docker-proxy.
func forwardsTo(p *sockets.Process) (netip.AddrPort, bool) {
	if p.Name != "docker-proxy" && !strings.HasPrefix(p.Command, "docker-proxy ") && !strings.Contains(p.Command, "/docker-proxy ") {
		return netip.AddrPort{}, false
	}
	var ip netip.Addr
	var port uint16
	var err, err2 error
	args := strings.Fields(p.Command)
	for i := range args[:max(len(args)-1, 0)] {
		switch strings.TrimLeft(args[i], "-") {
		case "container-ip":
			ip, err = netip.ParseAddr(args[i+1])
		case "container-port":
			port, err2 = target.Port(args[i+1])
		}
	}
	return netip.AddrPortFrom(ip, port), err == nil && err2 == nil && ip.IsValid() && port != 0
}

// forwardOf returns what a holder of a socket hands on, or nil.
func (f *Facts) forwardOf(r *sockets.Row) *Forward {
	for i := range f.Forwards {
		for _, p := range r.Processes {
			if p.PID == f.Forwards[i].Proxy.PID {
				return &f.Forwards[i]
			}
		}
	}
	return nil
}

// sentence reports what the proxy forwards to.
func (w *Forward) sentence() string {
	where := "a container"
	if w.Name != "" {
		where = "container " + short(w.Name)
	}
	switch {
	case len(w.Server) > 0 && len(w.Server[0].Processes) > 0:
		return fmt.Sprintf("It forwards to %s in %s, at %s.", processes(w.Server[0].Processes), where, w.To)
	case len(w.Server) > 0:
		return fmt.Sprintf("It forwards to a server in %s, at %s.", where, w.To)
	case w.Known:
		return fmt.Sprintf("It forwards to %s in %s, and nobody listens there.", w.To, where)
	}
	return fmt.Sprintf("It forwards to a container, at %s port %d.", w.To.Addr(), w.To.Port())
}

// emptyForwards are the causes of published ports behind which nobody listens.
func (f *Facts) emptyForwards() []Cause {
	var out []Cause
	for i := range f.Forwards {
		w := &f.Forwards[i]
		if !w.Known || len(w.Server) > 0 {
			continue
		}
		out = append(out, Cause{
			Code: ForwardsNowhere, Operation: input.Connect, Sure: true,
			Summary:  fmt.Sprintf("%s takes connections for a container, but nobody listens there at %s: they are reset or closed at once.", process(w.Proxy), w.To),
			Evidence: []string{fmt.Sprintf("no TCP socket listens at %s in the network namespace that has the address", w.To)},
			Hint:     "in the container the server must listen on 0.0.0.0 (not on 127.0.0.1), and on the port that is published",
		})
	}
	return out
}

// space returns the other network namespace that has an address, which may be nil.
func (f *Facts) space(ip *netip.Addr) (sockets.Namespace, bool) {
	if ip == nil {
		return sockets.Namespace{}, false
	}
	n, ok := f.Spaces[*ip]
	return n, ok
}

// spaceName returns what a network namespace is called.
func spaceName(n sockets.Namespace) string {
	if n.Name != "" {
		return "network namespace " + n.Name
	}
	return fmt.Sprintf("network namespace %d", n.Inode)
}

// inSpace is the cause of an address that is not here but in another network
// namespace of this machine.
func (f *Facts) inSpace(ip netip.Addr, n sockets.Namespace) Cause {
	name := spaceName(n)
	c := Cause{Code: InNamespace, Operation: input.Connect, Sure: true, Evidence: []string{fmt.Sprintf("%s is an address in %s of this machine", ip, name)}}
	var reached, others []*sockets.Row
	for i := range f.There {
		r := &f.There[i]
		if r.Namespace != n.Inode {
			continue
		}
		c.Evidence = append(c.Evidence, f.line(r)+" in "+name)
		if r.Covers(ip) {
			reached = append(reached, r)
		} else {
			others = append(others, r)
		}
	}
	at := netip.AddrPortFrom(ip, f.Question.Port)
	switch {
	case len(reached) > 0:
		c.Summary = fmt.Sprintf("%s is an address in %s of this machine, and %s listens there on %s.", ip, name, f.who(reached[0]), f.own(reached[0]))
		c.PIDs, c.Hint = f.pids(reached[0]), "a firewall, or a route, may be in the way in that namespace"
	case len(others) > 0:
		r := others[0]
		c.Summary = fmt.Sprintf("Nobody listens on %s: it is an address in %s of this machine, where the server, %s, listens only on %s.", at, name, f.who(r), f.own(r))
		c.PIDs = f.pids(r)
		c.Hint = fmt.Sprintf("make the server in the container listen on 0.0.0.0, or on %s", ip)
	default:
		c.Summary = fmt.Sprintf("Nobody listens on %s: it is an address in %s of this machine, in which no socket listens on that port.", at, name)
		c.Hint = "start the server there, or correct the port"
	}
	return c
}
