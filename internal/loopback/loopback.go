// Package loopback holds the words that every part of lodge uses, as types:
// engines, isolation, endpoints, address scopes and port classes.
//
// It does no I/O and imports only the standard library. It does not know how
// a home is made or who listens; it only names things.
package loopback

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// Engine is the way in which a home is made.
type Engine string

// The engines, strongest first.
const (
	// EBPF rewrites socket addresses in cgroup hooks; needs root or the helper.
	EBPF Engine = "ebpf"
	// Seccomp answers bind, connect and listen in user space; any user.
	Seccomp Engine = "seccomp"
	// None gives only addresses and environment variables.
	None Engine = "none"
)

// ParseEngine reads an engine name as the command line and the API write it.
func ParseEngine(s string) (Engine, error) {
	switch e := Engine(s); e {
	case EBPF, Seccomp, None:
		return e, nil
	}
	return "", fmt.Errorf("engine %q: not one of ebpf, seccomp, none", s)
}

// Isolation says what a connection to localhost reaches when no process inside
// the home listens on the port.
type Isolation string

const (
	// Overlay falls through to the machine's own localhost.
	Overlay Isolation = "overlay"
	// Strict refuses the connection.
	Strict Isolation = "strict"
)

// ParseIsolation reads an isolation as lodge.toml writes it.
func ParseIsolation(s string) (Isolation, error) {
	switch i := Isolation(s); i {
	case Overlay, Strict:
		return i, nil
	}
	return "", fmt.Errorf("isolation %q: not one of overlay, strict", s)
}

// Protocol is a transport protocol, in the spelling of RFC 6335.
type Protocol string

// The transport protocols that a home knows.
const (
	TCP Protocol = "tcp"
	UDP Protocol = "udp"
)

// Endpoint is an address and a port on which a process listens (TCP), or
// which it has bound (UDP).
type Endpoint struct {
	Protocol Protocol   `json:"protocol"`
	IP       netip.Addr `json:"ip"`
	Port     uint16     `json:"port"`
	// Service is the service whose process made the socket, or "".
	Service string `json:"service,omitempty"`
	// RealPort is where the socket is reached from outside, if that is another
	// port than the one that the program asked for; else zero.
	RealPort uint16 `json:"real_port,omitempty"`
	// Owner is the user whose socket it is.
	Owner Owner `json:"uid,omitzero"`
	// Inode of the socket; zero if unknown.
	Inode uint32 `json:"-"`
}

// AddrPort returns the address at which the endpoint is reached from outside.
func (e Endpoint) AddrPort() netip.AddrPort {
	if e.RealPort != 0 {
		return netip.AddrPortFrom(e.IP, e.RealPort)
	}
	return netip.AddrPortFrom(e.IP, e.Port)
}

func (e Endpoint) String() string {
	return string(e.Protocol) + " " + netip.AddrPortFrom(e.IP, e.Port).String()
}

// Ports lists the ports of endpoints, TCP first, each once: "80", "53/udp". It
// is never nil.
func Ports(eps []Endpoint) []string {
	var tcp, udp []uint16
	for _, e := range eps {
		if e.Protocol == UDP {
			udp = append(udp, e.Port)
		} else {
			tcp = append(tcp, e.Port)
		}
	}
	out := []string{}
	for _, l := range []struct {
		ports  []uint16
		suffix string
	}{{tcp, ""}, {udp, "/udp"}} {
		slices.Sort(l.ports)
		for _, n := range slices.Compact(l.ports) {
			out = append(out, strconv.Itoa(int(n))+l.suffix)
		}
	}
	return out
}
