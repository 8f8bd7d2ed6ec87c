package sockets

import (
	"net/netip"
	"slices"
)

// Namespace is another network namespace of this machine.
type Namespace struct {
	Inode uint32
	// Name is its container or file name, or "".
	Name string
	// Addresses are those that were looked for and that it has.
	Addresses []netip.Addr
}

// NamespacesWith finds the other network namespaces that have one of the
// addresses on an interface. What cannot be looked into is told in warnings.
func NamespacesWith(ips []netip.Addr) (list []Namespace, warnings []string, err error) {
	spaces, warnings, err := otherSpaces()
	if err != nil {
		return nil, nil, err
	}
	for i := range spaces {
		s := &spaces[i]
		s.close()
		n := Namespace{Inode: s.inode, Name: s.name}
		for _, ip := range ips {
			ip = ip.Unmap().WithZone("")
			if s.scopes.IsLocal(ip) && !ip.IsLoopback() && !slices.Contains(n.Addresses, ip) {
				n.Addresses = append(n.Addresses, ip)
			}
		}
		if len(n.Addresses) > 0 {
			list = append(list, n)
		}
	}
	return list, warnings, nil
}
