package facts

import "net/netip"

// Name is what a host name leads to by the word of lodge's daemon: below
// localhost through its proxy, below test straight to a project's home.
type Name struct {
	// Domain is "localhost" or "test".
	Domain  string     `json:"domain"`
	Project string     `json:"project"`
	Path    string     `json:"path"`
	Home    netip.Addr `json:"home"`
	// Up is false for a project that the daemon only remembers.
	Up bool `json:"up"`
	// Service is nil for the project's own name where it is not clear which
	// one is meant, or does not matter, and for one that there is not: that is
	// Missing.
	Service *Service `json:"service,omitempty"`
	Missing string   `json:"missing_service,omitempty"`
	// Others are the services that a project's own name could mean, or for one
	// that is missing those that there are.
	Others []string `json:"other_services,omitempty"`
	// URL and HostName are what the service's names below localhost and test
	// are; URL is "" where none is served.
	URL      string `json:"url,omitempty"`
	HostName string `json:"host_name,omitempty"`
	// ServerPID is the daemon's, which serves names below localhost on Port.
	ServerPID int    `json:"server_pid,omitempty"`
	Port      uint16 `json:"server_port,omitempty"`
	// Unresolved says why programs do not find the name below test on this
	// machine.
	Unresolved string `json:"unresolved,omitempty"`
	// WebPort is the port of the service to which its own name leads, and
	// AskedPort the one that this name means, by its number or a name of its own.
	WebPort   uint16 `json:"web_port,omitempty"`
	AskedPort uint16 `json:"asked_port,omitempty"`
	// HTTP says that the service may be reached by its name below localhost.
	HTTP bool `json:"http"`
}
