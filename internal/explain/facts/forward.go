package facts

import (
	"net/netip"

	"lodge/internal/sockets"
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

// ForwardOf returns what a holder of a socket hands on, or nil.
func ForwardOf(f *Facts, r *sockets.Row) *Forward {
	for i := range f.Forwards {
		for _, p := range r.Processes {
			if p.PID == f.Forwards[i].Proxy.PID {
				return &f.Forwards[i]
			}
		}
	}
	return nil
}
