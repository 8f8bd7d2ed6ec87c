package sockets

import (
	"net/netip"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// bytecode returns the filter that leaves out what matchSocket would. It may
// take more than that.
func (f *Filter) bytecode() []byte {
	var ports, addresses []diag.Condition
	for _, p := range f.Ports {
		ports = append(ports, diag.Either(int32(p), netip.Prefix{})...)
	}
	for _, p := range f.Addresses {
		addresses = append(addresses, diag.Either(-1, plainPrefix(p))...)
	}
	return diag.Compile(ports, addresses, scopeConditions(f.Scopes))
}

// plainPrefix returns a prefix of IPv4-mapped addresses as one of IPv4. The
// kernel takes that for both (net/ipv4/inet_diag.c).
func plainPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return netip.PrefixFrom(p.Addr().WithZone(""), p.Bits())
}

// scopeConditions returns the addresses of scopes, or none where one of them is
// "what no other is".
func scopeConditions(list []loopback.Scope) []diag.Condition {
	var out []diag.Condition
	add := func(prefixes ...netip.Prefix) {
		for _, p := range prefixes {
			out = append(out, diag.Condition{Op: diag.OpLocal, Port: -1, Prefix: p})
		}
	}
	single := func(ip netip.Addr) netip.Prefix { return netip.PrefixFrom(ip, ip.BitLen()) }
	for _, s := range list {
		switch s {
		case loopback.ScopeLoopback:
			add(netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8), single(netip.IPv6Loopback()))
		case loopback.ScopeHome:
			add(loopback.HomeRange, loopback.Home6Range)
		case loopback.ScopeAll:
			add(single(netip.IPv4Unspecified()), single(netip.IPv6Unspecified()))
		case loopback.ScopeLinkLocal:
			add(netip.PrefixFrom(netip.AddrFrom4([4]byte{169, 254}), 16), netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfe, 0x80}), 10))
		case loopback.ScopeMulticast:
			add(netip.PrefixFrom(netip.AddrFrom4([4]byte{224}), 4), netip.PrefixFrom(netip.AddrFrom16([16]byte{0xff}), 8))
		default:
			return nil
		}
	}
	return out
}
