package refused

import (
	"net/netip"
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// When reports whether no socket listens at any address that a connection may go
// to, and one of these is this machine's.
func When(f *facts.Facts) bool {
	ends := rule.EndsOf(f)
	return len(ends.Open) == 0 && len(ends.Shut) > 0
}

// shut returns the addresses of this machine at which no socket listens. There is
// at least one where When applies.
func shut(f *facts.Facts) []netip.Addr { return rule.EndsOf(f).Shut }

// elsewhere are the sockets that listen on the port at other addresses.
type elsewhere struct {
	homes   []*sockets.Row // in homes of other projects than the address's
	strange []*sockets.Row // in homes that this user's lodge does not know
	others  []*sockets.Row
}

func elsewhereOf(f *facts.Facts, ip netip.Addr) elsewhere {
	var e elsewhere
	for _, r := range f.At(facts.Listens) {
		switch project := f.RowProject(r); {
		case project != "" && !f.InSameHome(r, ip):
			e.homes = append(e.homes, r)
		case project == "" && r.Scope == loopback.ScopeHome:
			e.strange = append(e.strange, r)
		default:
			e.others = append(e.others, r)
		}
	}
	return e
}

// portOf reports whether a service is known to have, or to have had, the port.
func portOf(f *facts.Facts, s *facts.Service) bool { return slices.Contains(s.Ports, f.Question.Port) }
