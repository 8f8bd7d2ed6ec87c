package sockets

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"lodge/internal/loopback"
)

// scopes knows the interfaces of a network namespace: their addresses say who
// can reach a socket. The zero value knows none.
type scopes struct {
	bridges map[netip.Addr]bool // addresses of container bridges
	names   map[int]string      // of interfaces, by index
}

// readScopes reads the interfaces of the network namespace that the calling
// thread is in.
func readScopes() (scopes, error) {
	s := scopes{bridges: make(map[netip.Addr]bool), names: make(map[int]string)}
	list, err := net.Interfaces()
	if err != nil {
		return scopes{}, err
	}
	for _, i := range list {
		s.names[i.Index] = i.Name
		if !isContainerBridge(i.Name) {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // gone meanwhile
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(n.IP); ok {
					s.bridges[ip.Unmap()] = true
				}
			}
		}
	}
	return s, nil
}

// isContainerBridge says whether an interface connects containers or virtual
// machines of this machine, by the names that their engines give: Docker,
// Podman, CNI plugins, Kubernetes networks, LXC and its heirs, libvirt.
func isContainerBridge(name string) bool {
	for _, p := range []string{"docker", "podman", "cni", "veth", "cali", "flannel", "cilium", "lxc", "lxdbr", "incusbr", "virbr", "nerdctl", "kube-"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	// Docker names the bridge of a network after twelve digits of its id.
	id, ok := strings.CutPrefix(name, "br-")
	return ok && len(id) == 12 && strings.Trim(id, "0123456789abcdef") == ""
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
	case s.bridges[ip]:
		return loopback.ScopeContainer
	case ip.IsLinkLocalUnicast():
		return loopback.ScopeLinkLocal
	}
	return loopback.ScopeLAN
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
