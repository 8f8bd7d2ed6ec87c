package route

import (
	"net/netip"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
)

// away is an address that is not this machine's, and its place among those that a
// connection may go to.
type away struct {
	ip    netip.Addr
	order int
}

// awayOf returns the addresses that are not this machine's. Where a name has others
// at which a socket listens, these do not matter.
func awayOf(f *facts.Facts) []away {
	ends := rule.EndsOf(f)
	if len(ends.Open) > 0 && f.SameName() {
		return nil
	}
	var out []away
	for i, ip := range ends.To {
		if !f.IsLocal(ip) {
			out = append(out, away{ip, i})
		}
	}
	return out
}
