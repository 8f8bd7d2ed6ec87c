package netif

import (
	"net/netip"
	"strconv"

	"lodge/internal/loopback"
)

// Addresses knows the interfaces of a network namespace: their addresses say who
// can reach a socket. The zero value knows none.
type Addresses struct {
	// local are the addresses of the interfaces; true for a container bridge's.
	local map[netip.Addr]bool
	names map[int]string // of interfaces, by index
}

// Scope returns from where a socket with this address can be reached.
func (s *Addresses) Scope(ip netip.Addr) loopback.Scope {
	ip = ip.Unmap().WithZone("")
	switch {
	case ip.IsUnspecified():
		return loopback.ScopeAll
	case loopback.HomeRange.Contains(ip), loopback.Home6Range.Contains(ip):
		return loopback.ScopeHome
	case ip.IsLoopback():
		return loopback.ScopeLoopback
	case ip.IsMulticast():
		return loopback.ScopeMulticast
	case s.local[ip]:
		return loopback.ScopeContainer
	case ip.IsLinkLocalUnicast():
		return loopback.ScopeLinkLocal
	}
	return loopback.ScopeLAN
}

// Has reports whether an address is one of this network namespace's own.
func (s *Addresses) Has(ip netip.Addr) bool {
	_, ok := s.local[ip]
	return ok || ip.IsLoopback() || ip.IsUnspecified()
}

// Scopes reads the interfaces of this network namespace and returns the function
// that tells from where a socket at an address can be reached.
func Scopes() (func(netip.Addr) loopback.Scope, error) {
	s, err := Read()
	if err != nil {
		return nil, err
	}
	return s.Scope, nil
}

// IsLocal reports whether an address is one of an interface here.
func (s *Addresses) IsLocal(ip netip.Addr) bool {
	_, ok := s.local[ip]
	return ok
}

// Zoned adds the zone, the name of an interface, to a link-local address.
func (s *Addresses) Zoned(ip netip.Addr, index uint32) netip.Addr {
	if index == 0 || !ip.Is6() || !(ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast()) {
		return ip
	}
	name := s.names[int(index)]
	if name == "" {
		name = strconv.Itoa(int(index))
	}
	return ip.WithZone(name)
}
