package facts

import (
	"net/netip"
	"slices"

	"lodge/internal/loopback"
)

// IsLocal reports whether an address is this machine's. All of 127.0.0.0/8 is,
// as long as lo is up (RFC 1122, section 3.2.1.3 (g)).
func (f *Facts) IsLocal(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if ip.Is4() && ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	_, ok := f.Local[ip]
	return ok
}

// Protocol is the one that the causes are about.
func (f *Facts) Protocol() loopback.Protocol {
	if f.Question.Protocol != "" {
		return f.Question.Protocol
	}
	return loopback.TCP
}

// Home returns the addresses that ip means first for a program that runs inside
// a home, as this one then does; none outside, and for other addresses.
func (f *Facts) Home(ip netip.Addr) []netip.Addr {
	p := f.Inside
	if p == nil || p.Engine == loopback.None || !loopback.IsLocalhost(ip) {
		return nil
	}
	out := []netip.Addr{p.Home4}
	if p.Home6.IsValid() && ip.Is6() {
		out = append(out, p.Home6)
	}
	return out
}

// ConnectTo are the addresses that a connection may go to.
func (f *Facts) ConnectTo() []netip.Addr {
	if len(f.Targets) == 0 {
		return []netip.Addr{Loopback4, netip.IPv6Loopback()}
	}
	var out []netip.Addr
	for _, ip := range f.Targets {
		ip = ip.Unmap()
		// A connection to the wildcard goes to loopback, on Linux.
		if ip.IsUnspecified() && ip.Is4() {
			ip = Loopback4
		} else if ip.IsUnspecified() {
			ip = netip.IPv6Loopback()
		}
		if !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	return out
}

var Loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// BindTo are the addresses that a bind is for; the wildcard of both families
// where none was given.
func (f *Facts) BindTo() []netip.Addr {
	to := f.Targets
	if len(to) == 0 {
		to = []netip.Addr{netip.IPv6Unspecified()}
	}
	var out []netip.Addr
	for _, ip := range to {
		// Inside a home, what is bound to localhost is bound to the home.
		if inside := f.Home(ip); len(inside) > 0 {
			out = append(out, inside...)
		} else {
			out = append(out, ip)
		}
	}
	return out
}

// SameName reports whether the targets are what one name means, so that a program
// tries one after the other.
func (f *Facts) SameName() bool { return f.Resolution != nil || len(f.Targets) == 0 }

// ProjectOf finds the project whose home an address is.
func (f *Facts) ProjectOf(ip netip.Addr) *Project {
	ip = ip.Unmap()
	for i := range f.Projects {
		if p := &f.Projects[i]; p.Home4 == ip || p.Home6.IsValid() && p.Home6 == ip {
			return p
		}
	}
	return nil
}

func (f *Facts) ProjectNamed(project string) *Project {
	for i := range f.Projects {
		if f.Projects[i].Name == project {
			return &f.Projects[i]
		}
	}
	return nil
}
