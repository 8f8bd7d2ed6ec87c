package sockets

import (
	"net/netip"
	"strconv"

	"lodge/internal/loopback"
)

// scopes knows the interfaces of a network namespace: their addresses say who
// can reach a socket. The zero value knows none.
type scopes struct {
	// local are the addresses of the interfaces; true for a container bridge's.
	local map[netip.Addr]bool
	names map[int]string // of interfaces, by index
}

// scope says from where a socket with this address can be reached.
func (s *scopes) scope(ip netip.Addr) loopback.Scope {
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

// has reports whether an address is one of this network namespace's own.
func (s *scopes) has(ip netip.Addr) bool {
	_, ok := s.local[ip]
	return ok || ip.IsLoopback() || ip.IsUnspecified()
}

// Scopes reads the interfaces of this network namespace and returns the function
// that tells from where a socket at an address can be reached.
func Scopes() (func(netip.Addr) loopback.Scope, error) {
	s, err := readScopes()
	if err != nil {
		return nil, err
	}
	return s.scope, nil
}

// isLocal reports whether an address is one of an interface here.
func (s *scopes) isLocal(ip netip.Addr) bool {
	_, ok := s.local[ip]
	return ok
}

// zoned adds the zone, the name of an interface, to a link-local address.
func (s *scopes) zoned(ip netip.Addr, index uint32) netip.Addr {
	if index == 0 || !ip.Is6() || !(ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast()) {
		return ip
	}
	name := s.names[int(index)]
	if name == "" {
		name = strconv.Itoa(int(index))
	}
	return ip.WithZone(name)
}
