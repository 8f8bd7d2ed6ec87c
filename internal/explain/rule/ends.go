package rule

import (
	"net/netip"

	"lodge/internal/explain/facts"
)

// Ends are the addresses that a connection may go to.
type Ends struct {
	// To has all. Open are those of this machine at which a socket listens, Shut
	// those at which none does.
	To, Open, Shut []netip.Addr
}

// EndsOf sorts the addresses that a connection may go to.
func EndsOf(f *facts.Facts) Ends {
	e := Ends{To: f.ConnectTo()}
	for _, ip := range e.To {
		switch {
		case !f.IsLocal(ip):
		case len(f.Listeners(ip)) > 0:
			e.Open = append(e.Open, ip)
		default:
			e.Shut = append(e.Shut, ip)
		}
	}
	return e
}
