package unotify

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Message is what one send sends.
type Message struct {
	Data []byte
	// bare is without an address; an address of no bytes is another thing.
	Bare  bool
	To    Address
	Flags int
	// control is the program's control messages, as the kernel has them.
	Control []byte
	// source is the IPv4 address to send from, or the zero value.
	Source netip.Addr
	// done turns what was sent into the call's answer; nil is for a call that
	// answers with the number of bytes.
	Done func(sent int64) Answer
}

func (m *Message) Result(sent int64, errno unix.Errno) Answer {
	if errno == 0 && m.Done != nil {
		return m.Done(sent)
	}
	return Answer{Val: sent, Errno: errno}
}

func (m *Message) Send(fd int) (int64, unix.Errno) {
	var data unsafe.Pointer
	if len(m.Data) > 0 {
		data = unsafe.Pointer(&m.Data[0])
	}
	control := m.Control
	if m.Source.IsValid() && !hasPacketInfo(control) {
		control = append(control[:len(control):len(control)], packetInfo(m.Source)...)
	}
	if len(control) == 0 {
		to := unsafe.Pointer(&m.To.Bytes)
		if m.Bare {
			to = nil
		}
		n, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(data), uintptr(len(m.Data)), uintptr(m.Flags), uintptr(to), uintptr(m.To.Len))
		return result(n, errno)
	}
	iov := unix.Iovec{Base: (*byte)(data), Len: uint64(len(m.Data))}
	h := unix.Msghdr{Iov: &iov, Iovlen: 1, Control: &control[0], Controllen: uint64(len(control))}
	if !m.Bare {
		h.Name, h.Namelen = &m.To.Bytes[0], uint32(m.To.Len) //nolint:gosec // a length that the kernel judges
	}
	n, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), uintptr(m.Flags))
	return result(n, errno)
}

// packetInfo is a control message that chooses the address to send from:
// IP_PKTINFO (ip(7)). It is taken on an IPv6 socket too, where the destination
// is IPv4-mapped.
func packetInfo(source netip.Addr) []byte {
	var b [unix.SizeofCmsghdr + 16]byte
	binary.NativeEndian.PutUint64(b[0:], unix.SizeofCmsghdr+unix.SizeofInet4Pktinfo)
	binary.NativeEndian.PutUint32(b[8:], unix.IPPROTO_IP)
	binary.NativeEndian.PutUint32(b[12:], unix.IP_PKTINFO)
	ip := source.As4()
	copy(b[unix.SizeofCmsghdr+4:], ip[:]) // ipi_spec_dst
	return b[:]
}

// hasPacketInfo reports whether control messages choose the source already.
func hasPacketInfo(control []byte) bool {
	for len(control) >= unix.SizeofCmsghdr {
		size := binary.NativeEndian.Uint64(control)
		level, kind := binary.NativeEndian.Uint32(control[8:]), binary.NativeEndian.Uint32(control[12:])
		if level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO || level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO {
			return true
		}
		size = (size + 7) &^ 7
		if size < unix.SizeofCmsghdr || size > uint64(len(control)) {
			return false
		}
		control = control[size:]
	}
	return false
}

func result(n uintptr, errno unix.Errno) (int64, unix.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int64(n), 0 //nolint:gosec // at most payloadMax
}
