package loopback

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
