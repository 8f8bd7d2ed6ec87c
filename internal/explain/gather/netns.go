package gather

import (
	"context"
	"net/netip"
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
	"lodge/internal/sockets/holders"
)

// lookInNamespaces finds the network namespaces that have the addresses that are
// not here, and those behind a proxy of published ports.
func lookInNamespaces(ctx context.Context, f *facts.Facts, src Source) error {
	var wanted []netip.Addr
	for _, ip := range f.ConnectTo() {
		if !f.IsLocal(ip) {
			wanted = append(wanted, ip)
		}
	}
	f.Forwards = proxies(f)
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
			f.Namespaces[ip] = n
		}
	}
	if len(f.Namespaces) == 0 || !f.Question.HasPort && len(f.Forwards) == 0 {
		return nil
	}
	q := sockets.Query{Details: true, Homes: src.Homes, Live: src.Live, AllNamespaces: true, Protocols: []string{"tcp"}, States: []string{"listen"}}
	if f.Protocol() == loopback.UDP {
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
		for ip, n := range f.Namespaces {
			if n.Inode == r.Namespace && r.Local.Port == f.Question.Port && !f.IsLocal(ip) {
				f.There = append(f.There, *r)
			}
		}
		for k := range f.Forwards {
			w := &f.Forwards[k]
			if n, ok := f.Namespaces[w.To.Addr()]; ok && n.Inode == r.Namespace && r.Local.Port == w.To.Port() && r.Covers(w.To.Addr()) {
				w.Server = append(w.Server, *r)
			}
		}
	}
	for k := range f.Forwards {
		if n, ok := f.Namespaces[f.Forwards[k].To.Addr()]; ok {
			f.Forwards[k].Known, f.Forwards[k].Name = true, n.Name
		}
	}
	return nil
}

// proxies reads where Docker's proxies among the holders send what they get.
func proxies(f *facts.Facts) []facts.Forward {
	var out []facts.Forward
	for i := range f.Rows {
		for _, p := range f.Rows[i].Processes {
			to, ok := holders.ForwardsTo(p.Name, p.Command)
			if ok && facts.Listens(&f.Rows[i]) && !slices.ContainsFunc(out, func(o facts.Forward) bool { return o.Proxy.PID == p.PID }) {
				out = append(out, facts.Forward{Proxy: p, To: to})
			}
		}
	}
	return out
}
