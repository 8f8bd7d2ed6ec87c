package tap

import (
	"context"
	"net/netip"

	"lodge/internal/cli/daemonview"
	"lodge/internal/model"
	"lodge/internal/sockets"
	"lodge/internal/tap/ends"
)

// behind finds what listens at an address of another network namespace. What may not be
// looked into is not known: the end says so by having no processes.
func behind(ctx context.Context, view *daemonview.View, to netip.AddrPort) (list []model.Process, container string) {
	spaces, _, err := sockets.NamespacesWith([]netip.Addr{to.Addr()})
	if err != nil || len(spaces) == 0 {
		return nil, ""
	}
	container = spaces[0].Name
	q := view.Query(sockets.Query{Details: true, AllNamespaces: true, Protocols: []string{"tcp"}, States: []string{"listen"}})
	q.Filter.Ports = []uint16{to.Port()}
	t, err := sockets.List(ctx, q)
	if err != nil {
		return nil, container
	}
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Namespace != spaces[0].Inode || r.Local == nil || r.Local.Port != to.Port() || !r.Covers(to.Addr()) {
			continue
		}
		for _, p := range r.Processes {
			list = append(list, ends.ProcessOf(p))
			if p.Container != "" {
				container = p.Container
			}
		}
	}
	return list, container
}
