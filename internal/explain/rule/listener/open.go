package listener

import (
	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// each calls check with each socket that would get a connection, and orders what it
// finds by the address, then by the socket.
func each(f *facts.Facts, check func(*sockets.Row) []model.Finding) []model.Finding {
	var out []model.Finding
	for i, ip := range rule.EndsOf(f).Open {
		for k, r := range f.Listeners(ip) {
			for _, x := range check(r) {
				x.Order = order(i, k)
				out = append(out, x)
			}
		}
	}
	return model.Distinct(out)
}

// order is the place of the socket with index row at the address with index ip.
func order(ip, row int) int { return ip*(1<<20) + min(row, 1<<20-1) }
