package loopback

import "slices"

// Reachable returns the endpoints without a server's socket for IPv6 alone where it has
// one for IPv4 on the same port, in a home without an IPv6 address of its own: only
// processes inside find that one.
func Reachable(eps []Endpoint) []Endpoint {
	return slices.DeleteFunc(append([]Endpoint{}, eps...), func(e Endpoint) bool {
		return e.RealPort != 0 && slices.ContainsFunc(eps, func(o Endpoint) bool { return o.IP.Is4() && o.Protocol == e.Protocol && o.Port == e.Port })
	})
}
