package loopback

import "strings"

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

// Reach reports who can reach a socket with an address of a scope, in plain words,
// as the end of "… can be reached"; "" where the address itself tells more
// (BlockOf).
func (s Scope) Reach() string {
	switch s {
	case ScopeContainer:
		return "from this machine and its containers"
	case ScopeLoopback, ScopeHome:
		return reachMachine
	case ScopeAll:
		return reachWild
	}
	return ""
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
