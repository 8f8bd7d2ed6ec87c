package cli

import (
	"net/netip"
	"path"
	"slices"
	"strings"

	"lodge/internal/sockets"
	"lodge/internal/tui"
)

// parseTopFilter reads words as `lodge ports` takes them. top has read all
// sockets when it filters, so that what the engine would select is selected
// here; and a name that is being typed matches by any part of it, be it a
// process's, a project's or a service's.
func parseTopFilter(text string) (tui.Match, error) {
	var s selection
	for w := range strings.FieldsSeq(text) {
		if err := s.word(w, false); err != nil {
			return nil, err
		}
	}
	keep := s.keep()
	return func(r *sockets.Row) bool {
		return s.matchRow(r) && (keep == nil || keep(r))
	}, nil
}

// matchRow is what the engine does with the rest of a selection. A socket
// matches with either of its ends.
func (s *selection) matchRow(r *sockets.Row) bool {
	if len(s.protocols) > 0 && !slices.Contains(s.protocols, string(r.Protocol)) {
		return false
	}
	if as := s.filter.Addresses; len(as) > 0 && !withinAny(as, r.Local) && !withinAny(as, r.Remote) {
		return false
	}
	var peer sockets.Peer
	if r.Peer != nil {
		peer = *r.Peer
	}
	if paths := s.filter.Paths; len(paths) > 0 && !slices.Contains(paths, r.Path) && !slices.Contains(paths, peer.Path) {
		return false
	}
	if ps := s.filter.Projects; len(ps) > 0 && !slices.Contains(ps, r.Project) && !slices.Contains(ps, peer.Project) {
		return false
	}
	all := slices.Concat(r.Processes, peer.Processes)
	if r.Closed != nil {
		all = append(all, r.Closed)
	}
	if ids := s.filter.PIDs; len(ids) > 0 && !slices.ContainsFunc(all, func(p *sockets.Process) bool { return slices.Contains(ids, p.PID) }) {
		return false
	}
	if names := s.filter.Names; len(names) > 0 && !anyNamed(names, all) {
		return false
	}
	return len(s.names) == 0 || anyNamed(s.names, all) || slices.ContainsFunc(s.names, func(n string) bool {
		return slices.ContainsFunc([]string{r.Project, r.Service, peer.Project, peer.Service}, func(have string) bool { return containsFold(have, n) })
	})
}

func withinAny(as []netip.Prefix, a *sockets.Address) bool {
	if a == nil {
		return false
	}
	ip := a.IP.WithZone("")
	return slices.ContainsFunc(as, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func anyNamed(names []string, ps []*sockets.Process) bool {
	return slices.ContainsFunc(ps, func(p *sockets.Process) bool {
		return slices.ContainsFunc(names, func(n string) bool {
			return containsFold(p.Name, n) || containsFold(path.Base(p.Executable), n) || strings.HasPrefix(n, "/") && p.Executable == n
		})
	})
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
