package helperapi

import (
	"net/netip"

	"lodge/internal/hosts"
)

// The operations. Each has a type of request and one of reply, which are below
// where they have fields.
const (
	OpHello      = "hello"
	OpCreateHome = "create_home"
	OpEnter      = "enter"
	OpRemoveHome = "remove_home"
	OpSweep      = "sweep"
	OpListenWeb  = "listen_web"
	OpSetHosts   = "set_hosts"
	OpOwners     = "owners"
	OpEndOwners  = "end_owners"
	OpTap        = "tap"
	OpTapUnix    = "tap_unix"
	OpTapRings   = "tap_rings"
	OpTapCounts  = "tap_counts"
	OpEndTap     = "end_tap"
	// Secrets of TLS, by uprobes.
	OpSecrets      = "secrets"
	OpProbe        = "probe"
	OpSecretCounts = "secret_counts"
	OpEndSecrets   = "end_secrets"
	// OpCancel gives up the call whose ID the request has. It has no reply of its
	// own: the call's reply is the code [Canceled], unless it was on its way.
	OpCancel = "cancel"
)

// HelloRequest asks what the helper is.
type HelloRequest struct {
	// Probe asks for what the helper can do here as well.
	Probe bool `json:"probe,omitempty"`
}

// CreateHomeRequest asks for a home.
type CreateHomeRequest struct {
	IP4    netip.Addr `json:"ip4"`
	Strict bool       `json:"strict,omitempty"`
}

// CreateHomeReply describes a home. Its descriptors are named as in [HomeFiles].
type CreateHomeReply struct {
	Path      string     `json:"path"`
	IP4       netip.Addr `json:"ip4"`
	IP6       netip.Addr `json:"ip6,omitzero"`
	IP6Reason string     `json:"ip6_reason,omitempty"`
}

// The names of a home's descriptors.
const (
	FileIn      = "in"
	FileHome    = "home"
	FileEvents  = "events"
	FileLeases  = "leases"
	FileMigrate = "migrate"
	FileLink    = "link"
)

// EnterRequest asks to move a process beside a home.
type EnterRequest struct {
	IP4 netip.Addr `json:"ip4"`
	Pid int        `json:"pid"`
}

// RemoveHomeRequest asks to remove a home.
type RemoveHomeRequest struct {
	Path string `json:"path"`
	Kill bool   `json:"kill,omitempty"`
}

// Swept is what a sweep removed.
type Swept struct {
	// Homes are the paths of cgroups, Addresses those taken off lo.
	Homes     []string     `json:"homes,omitempty"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// ListenWebRequest asks for listening sockets on a port of localhost.
type ListenWebRequest struct {
	Port uint16 `json:"port"`
}

// ListenWebReply has the addresses of the descriptors, which are all named
// FileListener.
type ListenWebReply struct {
	Listening []netip.AddrPort `json:"listening"`
}

// FileListener is the name of a listening socket.
const FileListener = "listener"

// SetHostsRequest has all names that the client wants in the hosts file.
type SetHostsRequest struct {
	Hosts []hosts.Entry `json:"hosts,omitempty"`
}

// SetHostsReply has the names that were not written.
type SetHostsReply struct {
	Refused []Refusal `json:"refused,omitempty"`
}

// Refusal is a name that the helper did not write, and why.
type Refusal struct {
	IP    netip.Addr `json:"ip"`
	Name  string     `json:"name"`
	Error string     `json:"error"`
}

// FileOwners is the name of the file with the table of owners.
const FileOwners = "owners"
