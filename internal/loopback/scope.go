package loopback

import (
	"net/netip"
	"strings"
)

// Scope says from where an address can be reached.
type Scope string

// The scopes of a socket's own address.
const (
	ScopeLoopback  Scope = "loopback"       // 127.0.0.0/8, ::1: this machine
	ScopeHome      Scope = "home"           // a project's own localhost
	ScopeLAN       Scope = "lan"            // an address of a network interface, private or not
	ScopeContainer Scope = "container"      // an address of a container bridge
	ScopeLinkLocal Scope = "link-local"     // 169.254.0.0/16, fe80::/10
	ScopeAll       Scope = "all-interfaces" // the wildcard: 0.0.0.0, ::
	ScopeMulticast Scope = "multicast"
)

// ReachOf reports who can reach a socket at an address with a scope, in plain words,
// as the end of "… can be reached". A container bridge's address is told by its
// interface, and so by the scope; all others by the block that they are in.
func ReachOf(s Scope, ip netip.Addr) string {
	if s == ScopeContainer {
		return "from this machine and its containers"
	}
	return BlockOf(ip).Reach
}

// IsContainerBridge reports whether an interface connects containers or virtual
// machines of this machine, by the names that their engines give: Docker,
// Podman, CNI plugins, Kubernetes networks, LXC and its heirs, libvirt.
func IsContainerBridge(name string) bool {
	for _, p := range []string{"docker", "podman", "cni", "veth", "cali", "flannel", "cilium", "lxc", "lxdbr", "incusbr", "virbr", "nerdctl", "kube-"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	// Docker names the bridge of a network after twelve digits of its id.
	id, ok := strings.CutPrefix(name, "br-")
	return ok && len(id) == 12 && strings.Trim(id, "0123456789abcdef") == ""
}
