package loopback

import (
	"net/netip"
	"strings"
)

// Block is a block of addresses with a purpose of its own, from IANA's
// special-purpose address registries (RFC 6890, as its successors amended
// them).
type Block struct {
	Prefix netip.Prefix
	// Name is the registry's.
	Name string
	// RFC defines the block: "RFC 1122, section 3.2.1.3".
	RFC string
	// Reach says who can reach an address of the block, in plain words, as the
	// end of "… can be reached": "from this machine only".
	Reach string
}

// Who can reach an address, in plain words.
const (
	reachMachine = "from this machine only"
	reachPrivate = "from the networks that this machine is in, not from the Internet"
	reachLink    = "from the same network segment only"
	reachAny     = "from anywhere that a firewall and the network let in"
	reachNobody  = "from nowhere: it is no address of a machine"
	reachWild    = "on every address of this machine, so from every network that it is in"
	reachGroup   = "by those who have joined the group"
)

// blocks has the innermost block of each address first.
func blocks() []Block {
	return []Block{
		{netip.MustParsePrefix("127.64.0.0/10"), "lodge's homes, in loopback", "RFC 1122, section 3.2.1.3 (g)", reachMachine},
		{netip.MustParsePrefix("127.0.0.0/8"), "loopback", "RFC 1122, section 3.2.1.3 (g)", reachMachine},
		{netip.MustParsePrefix("::1/128"), "loopback", "RFC 4291, section 2.5.3", reachMachine},
		{netip.MustParsePrefix("0.0.0.0/32"), "unspecified: the wildcard, all addresses", "RFC 1122, section 3.2.1.3 (a)", reachWild},
		{netip.MustParsePrefix("::/128"), "unspecified: the wildcard, all addresses", "RFC 4291, section 2.5.2", reachWild},
		{netip.MustParsePrefix("0.0.0.0/8"), "this network", "RFC 791, section 3.2", reachNobody},
		{netip.MustParsePrefix("10.0.0.0/8"), "private use", "RFC 1918", reachPrivate},
		{netip.MustParsePrefix("172.16.0.0/12"), "private use", "RFC 1918", reachPrivate},
		{netip.MustParsePrefix("192.168.0.0/16"), "private use", "RFC 1918", reachPrivate},
		{netip.MustParsePrefix("100.64.0.0/10"), "shared address space, of carriers and some VPNs", "RFC 6598", reachPrivate},
		{netip.MustParsePrefix("169.254.0.0/16"), "link local", "RFC 3927", reachLink},
		{netip.MustParsePrefix("192.0.2.0/24"), "documentation (TEST-NET-1)", "RFC 5737", reachNobody},
		{netip.MustParsePrefix("198.51.100.0/24"), "documentation (TEST-NET-2)", "RFC 5737", reachNobody},
		{netip.MustParsePrefix("203.0.113.0/24"), "documentation (TEST-NET-3)", "RFC 5737", reachNobody},
		{netip.MustParsePrefix("192.0.0.0/24"), "IETF protocol assignments", "RFC 6890, section 2.1", reachLink},
		{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking", "RFC 2544", reachPrivate},
		{netip.MustParsePrefix("224.0.0.0/4"), "multicast", "RFC 5771", reachGroup},
		{netip.MustParsePrefix("255.255.255.255/32"), "limited broadcast", "RFC 8190", reachLink},
		{netip.MustParsePrefix("240.0.0.0/4"), "reserved", "RFC 1112, section 4", reachNobody},
		{netip.MustParsePrefix("fd6c:6f64:6765::/96"), "lodge's homes, in unique local", "RFC 4193", reachMachine},
		{netip.MustParsePrefix("fc00::/7"), "unique local", "RFC 4193", reachPrivate},
		{netip.MustParsePrefix("fe80::/10"), "link local", "RFC 4291, section 2.5.6", reachLink},
		{netip.MustParsePrefix("ff00::/8"), "multicast", "RFC 4291, section 2.7", reachGroup},
		{netip.MustParsePrefix("64:ff9b::/96"), "IPv4 by translation", "RFC 6052", reachAny},
		{netip.MustParsePrefix("100::/64"), "discard only", "RFC 6666", reachNobody},
		{netip.MustParsePrefix("2001:db8::/32"), "documentation", "RFC 3849", reachNobody},
		{netip.MustParsePrefix("3fff::/20"), "documentation", "RFC 9637", reachNobody},
		{netip.MustParsePrefix("2002::/16"), "6to4", "RFC 3056", reachAny},
		{netip.MustParsePrefix("2001::/23"), "IETF protocol assignments", "RFC 2928", reachAny},
		{netip.MustParsePrefix("2000::/3"), "global unicast", "RFC 4291, section 2.5.4", reachAny},
		{netip.MustParsePrefix("::/0"), "reserved", "RFC 4291, section 2.4", reachNobody},
		{netip.MustParsePrefix("0.0.0.0/0"), "global unicast", "RFC 791", reachAny},
	}
}

// BlockOf returns the block that an address is in. An IPv4-mapped address is
// taken for the IPv4 address that it stands for.
func BlockOf(ip netip.Addr) Block {
	ip = ip.Unmap().WithZone("")
	for _, b := range blocks() {
		if b.Prefix.Contains(ip) {
			return b
		}
	}
	return Block{} // the zero Addr
}

// SpecialName is a domain name with a meaning of its own.
type SpecialName struct {
	// Domain is the special name or suffix, without dots at its ends.
	Domain string
	RFC    string
	// Meaning says what a resolver makes of it, in plain words.
	Meaning string
}

// SpecialNameOf returns the meaning of a special-use domain name (RFC 6761 and
// its registry), and whether name is one.
func SpecialNameOf(name string) (SpecialName, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, s := range []SpecialName{
		{"localhost", "RFC 6761, section 6.3", "always this machine's loopback"},
		{"test", "RFC 6761, section 6.2", "for testing: no public DNS has it"},
		{"invalid", "RFC 6761, section 6.4", "never resolves"},
		{"example", "RFC 6761, section 6.5", "for documentation"},
		{"example.com", "RFC 6761, section 6.5", "for documentation"},
		{"example.net", "RFC 6761, section 6.5", "for documentation"},
		{"example.org", "RFC 6761, section 6.5", "for documentation"},
		{"local", "RFC 6762", "found by multicast DNS on the local network"},
		{"onion", "RFC 7686", "found by Tor only"},
		{"home.arpa", "RFC 8375", "of a home network"},
		{"internal", "ICANN resolution 2024.07.29.06", "for private use: no public DNS has it"},
	} {
		if name == s.Domain || strings.HasSuffix(name, "."+s.Domain) {
			return s, true
		}
	}
	return SpecialName{}, false
}
