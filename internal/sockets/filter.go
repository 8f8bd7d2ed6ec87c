package sockets

import (
	"net/netip"

	"lodge/internal/loopback"
)

// Filter selects sockets. Each field that is not empty must match, by one of
// its values; a socket matches an address, a port, a process or a project with
// either of its ends.
type Filter struct {
	Ports     []uint16
	Addresses []netip.Prefix
	PIDs      []int
	// Names match a process's name or its executable's, whole or by a part.
	Names    []string
	Users    []uint32
	Projects []string
	Services []string
	Scopes   []loopback.Scope
	// Paths are those of Unix sockets, of either end; an abstract one begins
	// with @. They leave out every other socket.
	Paths []string
}
