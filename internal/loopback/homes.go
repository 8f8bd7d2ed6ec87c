package loopback

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
)

// HomeRange is the block from which homes are taken. All of 127.0.0.0/8 is
// bindable on Linux without any setting up (RFC 1122, section 3.2.1.3 (g)).
var HomeRange = netip.MustParsePrefix("127.64.0.0/10")

// Home6Range is the unique local block (RFC 4193) whose low 32 bits repeat the
// home's IPv4 address, for IPv6-only sockets.
var Home6Range = netip.MustParsePrefix("fd6c:6f64:6765::/96")

const homeCount = 1 << 22

// HomeFor returns the home that seed hashes to. attempt counts collisions: each
// attempt gives another address, and the sequence is the same every time. The
// result never ends in .0 or .255, which some programs take for a network.
func HomeFor(seed string, attempt int) netip.Addr {
	sum := sha256.Sum256([]byte(seed))
	n := binary.BigEndian.Uint32(sum[:4]) % homeCount
	n = (n + uint32(attempt)*0x9e375) % homeCount
	if low := n & 0xff; low == 0 || low == 0xff {
		n ^= 0x55
	}
	base := HomeRange.Addr().As4()
	v := binary.BigEndian.Uint32(base[:]) + n
	var out [4]byte
	binary.BigEndian.PutUint32(out[:], v)
	return netip.AddrFrom4(out)
}

// Home6 returns the IPv6 address that goes with the home ip4.
func Home6(ip4 netip.Addr) netip.Addr {
	out := Home6Range.Addr().As16()
	v4 := ip4.As4()
	copy(out[12:], v4[:])
	return netip.AddrFrom16(out)
}

// IsLocalhost reports whether a connection to ip means "this machine's
// localhost" to the program that makes it: the addresses that a home answers
// for. Other loopback addresses (127.0.0.53, another home) are not among them.
func IsLocalhost(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || ip == netip.IPv6Loopback() || ip.IsUnspecified()
}

// The dynamic or private ports (RFC 6335, section 6), from which leases come.
const (
	DynamicFirst = 49152
	DynamicLast  = 65535
)
