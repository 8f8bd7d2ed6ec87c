package gather

import (
	"context"
	"net/netip"
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// listServing adds the sockets by which the named service facts.Listens, where the port
// that was asked for is lodge's and not its.
func listServing(ctx context.Context, f *facts.Facts, src Source) error {
	n := f.Name
	if n == nil || n.Service == nil || n.Domain != "localhost" || !n.Home.IsValid() || len(n.Service.TCPPorts()) == 0 {
		return nil
	}
	q := sockets.Query{Details: true, Quick: true, Homes: src.Homes, Live: src.Live, Protocols: []string{"tcp"}, States: []string{"listen"}}
	q.Filter.Ports = n.Service.TCPPorts()
	for _, ip := range []netip.Addr{n.Home, loopback.Home6(n.Home)} {
		q.Filter.Addresses = append(q.Filter.Addresses, netip.PrefixFrom(ip, ip.BitLen()))
	}
	t, err := sockets.List(ctx, q)
	if err != nil {
		return err
	}
	f.Serving = t.Rows
	return nil
}

// findService finds the service of which the answer tells, and reads the end of its
// log where it is not well.
func findService(f *facts.Facts, tail func(path, service string) []string) {
	for _, rows := range [][]*sockets.Row{f.Listening(), f.At(func(r *sockets.Row) bool { return r.State == "bound" })} {
		for _, r := range rows {
			if f.Kept == nil {
				f.Kept = f.KeptFor(r)
			}
		}
	}
	switch n := f.Name; {
	case f.Kept != nil:
	case n != nil && n.Service != nil:
		f.Kept = &facts.Kept{Project: n.Project, Path: n.Path, Service: *n.Service}
	case n == nil && len(f.At(facts.Listens)) == 0:
		f.Kept = endedService(f)
	}
	if k := f.Kept; k != nil && k.Name != "" && k.State != "ready" && tail != nil {
		k.Log = tail(k.Path, k.Name)
	}
}

// endedService returns the service that had the port and has ended, if one has.
func endedService(f *facts.Facts) *facts.Kept {
	for i := range f.Projects {
		p := &f.Projects[i]
		for _, ip := range f.ConnectTo() {
			if q := f.ProjectOf(ip); q != nil && q != p {
				continue
			}
			for _, s := range p.Services {
				if s.Ended && f.Question.HasPort && slices.Contains(s.Ports, f.Question.Port) {
					return &facts.Kept{Project: p.Name, Path: p.Path, Service: s}
				}
			}
		}
	}
	return nil
}
