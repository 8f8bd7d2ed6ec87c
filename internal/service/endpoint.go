package service

import "lodge/internal/loopback"

// ChooseEndpoint returns the endpoint that stands for a service: the one on the
// wanted port, else the first TCP one that Linux did not choose itself.
func ChooseEndpoint(eps []loopback.Endpoint, want uint16) (loopback.Endpoint, bool) {
	best, found := loopback.Endpoint{}, false
	rank := func(e loopback.Endpoint) int {
		n := int(e.Port)
		if e.Protocol == loopback.UDP {
			n += 1 << 20
		}
		if Ephemeral(e.Port) {
			n += 1 << 18
		}
		if Control(e.Port) {
			n += 1 << 19
		}
		if e.IP.Is6() {
			n += 1 << 17 // an IPv4 client cannot reach it
		}
		return n
	}
	for _, e := range eps {
		if want != 0 && e.Port != want {
			continue
		}
		if !found || rank(e) < rank(best) {
			best, found = e, true
		}
	}
	return best, found
}
