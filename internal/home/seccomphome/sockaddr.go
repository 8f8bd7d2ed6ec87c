package seccomphome

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Sizes of the kernel's socket addresses (ip(7), ipv6(7)).
const (
	addressMax = 128 // struct sockaddr_storage
	inet4Len   = 16
	inet6Min   = 24 // SIN6_LEN_RFC2133: without the scope
	inet6Len   = 28
)

// address is a socket address as a program wrote it: the bytes and the length
// that it claims. The length may be wrong in any way; the kernel judges it.
type address struct {
	b [addressMax]byte
	n int32
}

func (a *address) family() uint16 { return binary.NativeEndian.Uint16(a.b[:]) }

// inet reads the address as a socket of the domain would. ok is false if the
// kernel would refuse it or would take it for something else: such an address
// is given to the kernel unchanged.
//
// unspec says that AF_UNSPEC is read as AF_INET on an IPv4 socket, which bind
// and sendto do and connect does not. mixed says that an IPv6 socket takes an
// IPv4 address too, which UDP does.
func (a *address) inet(domain int, unspec, mixed bool) (netip.AddrPort, bool) {
	if a.n < 2 || a.n > addressMax {
		return netip.AddrPort{}, false
	}
	family := a.family()
	port := binary.BigEndian.Uint16(a.b[2:4])
	switch {
	case a.n >= inet4Len && (domain == unix.AF_INET && (family == unix.AF_INET || unspec && family == unix.AF_UNSPEC) ||
		domain == unix.AF_INET6 && mixed && family == unix.AF_INET):
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a.b[4:8])), port), true
	case a.n >= inet6Min && domain == unix.AF_INET6 && family == unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(a.b[8:24])), port), true
	}
	return netip.AddrPort{}, false
}

// set writes another address in the form that the bytes have: an IPv4 one
// becomes IPv4-mapped where the program wrote an IPv6 one. The rest of the
// bytes stays.
func (a *address) set(to netip.AddrPort) {
	binary.BigEndian.PutUint16(a.b[2:4], to.Port())
	if a.family() == unix.AF_INET6 {
		ip := to.Addr().As16()
		copy(a.b[8:24], ip[:])
		return
	}
	binary.NativeEndian.PutUint16(a.b[:], unix.AF_INET)
	ip := to.Addr().Unmap().As4()
	copy(a.b[4:8], ip[:])
}

// newAddress writes an address for a socket of the domain.
func newAddress(domain int, to netip.AddrPort) *address {
	a := &address{n: inet4Len}
	if domain == unix.AF_INET6 {
		a.n = inet6Len
	}
	binary.NativeEndian.PutUint16(a.b[:], uint16(domain))
	a.set(to)
	return a
}

// mapped returns the IPv4-mapped form of an IPv4 address.
func mapped(ip netip.Addr) netip.Addr { return netip.AddrFrom16(ip.As16()) }
