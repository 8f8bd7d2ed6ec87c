package unotify

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes of the kernel's socket addresses (ip(7), ipv6(7)).
const (
	AddressMax = 128 // struct sockaddr_storage
	Inet4Len   = 16
	inet6Min   = 24 // SIN6_LEN_RFC2133: without the scope
	Inet6Len   = 28
)

// Address is a socket address as a program wrote it: the bytes and the length
// that it claims. The length may be wrong in any way; the kernel judges it.
type Address struct {
	Bytes [AddressMax]byte
	Len   int32
}

func (a *Address) Family() uint16 { return binary.NativeEndian.Uint16(a.Bytes[:]) }

// Inet reads the address as a socket of the domain would. ok is false if the
// kernel would refuse it or would take it for something else: such an address
// is given to the kernel unchanged.
//
// unspec reports that AF_UNSPEC is read as AF_INET on an IPv4 socket, which bind
// and sendto do and connect does not. mixed reports that an IPv6 socket takes an
// IPv4 address too, which UDP does.
func (a *Address) Inet(domain int, unspec, mixed bool) (netip.AddrPort, bool) {
	if a.Len < 2 || a.Len > AddressMax {
		return netip.AddrPort{}, false
	}
	family := a.Family()
	port := binary.BigEndian.Uint16(a.Bytes[2:4])
	switch {
	case a.Len >= Inet4Len && (domain == unix.AF_INET && (family == unix.AF_INET || unspec && family == unix.AF_UNSPEC) ||
		domain == unix.AF_INET6 && mixed && family == unix.AF_INET):
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a.Bytes[4:8])), port), true
	case a.Len >= inet6Min && domain == unix.AF_INET6 && family == unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(a.Bytes[8:24])), port), true
	}
	return netip.AddrPort{}, false
}

// Set writes another address in the form that the bytes have: an IPv4 one
// becomes IPv4-mapped where the program wrote an IPv6 one. The rest of the
// bytes stays.
func (a *Address) Set(to netip.AddrPort) {
	binary.BigEndian.PutUint16(a.Bytes[2:4], to.Port())
	if a.Family() == unix.AF_INET6 {
		ip := to.Addr().As16()
		copy(a.Bytes[8:24], ip[:])
		return
	}
	binary.NativeEndian.PutUint16(a.Bytes[:], unix.AF_INET)
	ip := to.Addr().Unmap().As4()
	copy(a.Bytes[4:8], ip[:])
}

// NewAddress writes an address for a socket of the domain.
func NewAddress(domain int, to netip.AddrPort) *Address {
	a := &Address{Len: Inet4Len}
	if domain == unix.AF_INET6 {
		a.Len = Inet6Len
	}
	binary.NativeEndian.PutUint16(a.Bytes[:], uint16(domain))
	a.Set(to)
	return a
}

// Mapped returns the IPv4-mapped form of an IPv4 address.
func Mapped(ip netip.Addr) netip.Addr { return netip.AddrFrom16(ip.As16()) }

// Ask makes getsockname or getpeername.
func (a *Address) Ask(call uintptr, fd int) unix.Errno {
	a.Len = AddressMax
	_, _, errno := unix.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(&a.Bytes)), uintptr(unsafe.Pointer(&a.Len)))
	return errno
}

// Call makes bind or connect with the address as it is, its length included.
func (a *Address) Call(nr uintptr, fd int) unix.Errno {
	_, _, errno := unix.Syscall(nr, uintptr(fd), uintptr(unsafe.Pointer(&a.Bytes)), uintptr(a.Len))
	return errno
}

func (a *Address) Bind(fd int) unix.Errno { return a.Call(unix.SYS_BIND, fd) }

// Connect makes the call and makes it again where a signal to us, which is
// none of the program's business, interrupts it. What the interrupted call has
// begun goes on, and to the program that call is the one that it has made: it is
// in progress, not a second one.
func (a *Address) Connect(fd int) unix.Errno {
	errno := a.Call(unix.SYS_CONNECT, fd)
	for errno == unix.EINTR {
		if errno = a.Call(unix.SYS_CONNECT, fd); errno == unix.EALREADY {
			errno = unix.EINPROGRESS
		}
	}
	return errno
}
