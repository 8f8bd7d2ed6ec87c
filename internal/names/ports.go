package names

import (
	"cmp"
	"slices"
	"strconv"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

// PortLabel returns the port that a label of a host name is the number of, or
// 0: 4000 for the first label of 4000.web.shop.localhost.
func PortLabel(label string) uint16 {
	n, err := strconv.ParseUint(label, 10, 16)
	if err != nil || label[0] == '0' {
		return 0
	}
	return uint16(n)
}

// MaySpeakHTTP reports whether a service could be meant by an HTTP name: it is
// not known as a server of another protocol, and it has an endpoint or may yet
// get one.
func MaySpeakHTTP(s *service.Status) bool {
	switch {
	case s.NoHTTP:
		return false
	case s.HTTP != 0 || s.HTTPSocket != "":
		return true
	case s.Scheme != "" && s.Scheme != "http" && s.Scheme != "https":
		return false
	case s.State == service.Exited:
		return false
	case len(s.Endpoints) == 0:
		return s.State != service.Up // ready without listening: it never will
	}
	return len(WebPorts(s)) > 0
}

// WebPorts lists the TCP ports at which a service may speak HTTP, the likeliest
// first: the one that the file gives, and no other; or those of [TCPPorts],
// without the ones that are known for another protocol. A server that is known
// by its program speaks HTTP on another port than its first, if on any.
func WebPorts(s *service.Status) []uint16 {
	all := TCPPorts(s)
	if s.NoHTTP {
		return nil
	}
	if s.HTTP != 0 {
		return slices.DeleteFunc(all, func(p uint16) bool { return p != s.HTTP })
	}
	out := slices.DeleteFunc(slices.Clone(all), func(p uint16) bool { return service.SchemeOfPort(p) != "" })
	if s.Scheme != "" && s.Scheme != "http" && s.Scheme != "https" && len(out) == len(all) && len(out) > 0 {
		if len(out) == 1 {
			return nil
		}
		out = append(out[1:], out[0])
	}
	return out
}

// SilenceTells reports whether a port that does not answer a question in HTTP
// is to be taken for one of another protocol, where other servers are taken for
// slow ones: a port by which servers are controlled, beside others, and any port
// of a service that is known as a server of another protocol.
func SilenceTells(s *service.Status, port uint16) bool {
	all := TCPPorts(s)
	if len(all) < 2 || s.HTTP == port {
		return false
	}
	other := func(p uint16) bool { return service.SchemeOfPort(p) != "" }
	return service.Control(port) || slices.ContainsFunc(all, other) || s.Scheme != "" && s.Scheme != "http" && s.Scheme != "https"
}

// TCPPorts lists the TCP ports on which a service listens, each once: first
// the port that it was given, then those that its program chose, from the
// lowest, then ports by which servers are controlled or debugged, then those
// that Linux chose.
func TCPPorts(s *service.Status) []uint16 {
	var out []uint16
	for _, e := range s.Endpoints {
		if e.Protocol == loopback.TCP && !slices.Contains(out, e.Port) {
			out = append(out, e.Port)
		}
	}
	slices.SortFunc(out, func(a, b uint16) int { return cmp.Compare(rank(s, a), rank(s, b)) })
	return out
}

func rank(s *service.Status, port uint16) int {
	n := int(port)
	switch {
	case port == s.Port:
		n -= 1 << 18
	case service.Ephemeral(port):
		n += 1 << 18
	case service.Control(port):
		n += 1 << 17
	}
	return n
}

// EndpointsAt lists the endpoints of a service on one TCP port: addresses that
// may stand in for each other.
func EndpointsAt(s *service.Status, port uint16) []loopback.Endpoint {
	var out []loopback.Endpoint
	for _, e := range s.Endpoints {
		if e.Protocol == loopback.TCP && e.Port == port {
			out = append(out, e)
		}
	}
	return out
}

// PortName returns the HTTP name of a port of a service.
func (p *Project) PortName(service string, port uint16) string {
	return strconv.Itoa(int(port)) + "." + p.HTTPName(service)
}
