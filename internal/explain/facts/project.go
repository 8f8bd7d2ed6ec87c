package facts

import (
	"net/netip"
	"slices"

	"lodge/internal/loopback"
)

// Project is what lodge's daemon says of a project that is up.
type Project struct {
	Name, Path string
	Home4      netip.Addr
	Home6      netip.Addr
	Engine     loopback.Engine
	Isolation  loopback.Isolation
	KeeperPID  int
	Services   []Service
}

// serviceOn finds the service that listens on a port, or that had it; one without a
// name where none is known.
func (p *Project) serviceOn(port uint16) Service {
	for _, s := range p.Services {
		if slices.Contains(s.TCPPorts(), port) {
			return s
		}
	}
	for _, s := range p.Services {
		if slices.Contains(s.Ports, port) {
			return s
		}
	}
	return Service{}
}

// Service is a service of a project.
type Service struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Ended says that it has ended, by itself or because it was told to.
	Ended bool `json:"ended"`
	// Ports are those it is known to have, or to have had.
	Ports []uint16 `json:"-"`
	// Endpoints are where it listens now.
	Endpoints []loopback.Endpoint `json:"endpoints"`
	Exit      *int                `json:"exit_status,omitempty"`
	Reason    string              `json:"reason,omitempty"`
	// Failing reports that its last process ended by itself, and that none has been ready since.
	Failing bool `json:"-"`
	// URL is its name below localhost, "" for none.
	URL string `json:"-"`
	// PID is its main process, zero if it does not run, and Limits say which
	// limits on the number of processes hold that back.
	PID    int      `json:"-"`
	Limits []string `json:"limits,omitempty"`
}

// TCPPorts returns the TCP ports on which a service listens now.
func (s *Service) TCPPorts() []uint16 {
	var out []uint16
	for _, e := range s.Endpoints {
		if e.Protocol == loopback.TCP && !slices.Contains(out, e.Port) {
			out = append(out, e.Port)
		}
	}
	return out
}

// Kept is a service of which the answer tells, because lodge holds a socket for
// it, because it had the port, or because its name was given.
type Kept struct {
	Project string `json:"project"`
	Path    string `json:"path"`
	Service
	// Log are the last lines of its output, oldest first.
	Log []string `json:"log,omitempty"`
	// Held says that lodge holds the socket that was asked about.
	Held bool `json:"held_by_lodge,omitempty"`
}
