package packet

import (
	"encoding/binary"
	"fmt"
)

// LinkType is what the frames of a capture begin with, as numbered for capture
// files (LINKTYPE_).
type LinkType uint16

// The link types that are parsed.
const (
	LinkNull     LinkType = 0   // BSD loopback, address family in the host's byte order
	LinkEthernet LinkType = 1   // Ethernet, also with VLAN tags
	LinkRaw      LinkType = 101 // IPv4 or IPv6
	LinkLoop     LinkType = 108 // OpenBSD loopback, address family in network byte order
	LinkSLL      LinkType = 113 // Linux "cooked"
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkPKTAP    LinkType = 258 // macOS, with process information
	LinkSLL2     LinkType = 276 // Linux "cooked", version 2
)

func (l LinkType) String() string {
	switch l {
	case LinkNull:
		return "NULL"
	case LinkEthernet:
		return "ETHERNET"
	case LinkRaw:
		return "RAW"
	case LinkLoop:
		return "LOOP"
	case LinkSLL:
		return "LINUX_SLL"
	case LinkIPv4:
		return "IPV4"
	case LinkIPv6:
		return "IPV6"
	case LinkPKTAP:
		return "PKTAP"
	case LinkSLL2:
		return "LINUX_SLL2"
	}
	return fmt.Sprintf("LINKTYPE %d", uint16(l))
}

// Supported reports whether [Parse] parses frames of a link type.
func (l LinkType) Supported() bool {
	switch l {
	case LinkNull, LinkEthernet, LinkRaw, LinkLoop, LinkSLL, LinkIPv4, LinkIPv6, LinkPKTAP, LinkSLL2:
		return true
	}
	return false
}

// LinkTypeError is the error for a link type that is not parsed.
type LinkTypeError LinkType

func (e LinkTypeError) Error() string {
	return fmt.Sprintf("link type %d is not supported", uint16(e))
}

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// link takes off the link layer's header and returns the version of IP that it
// announces, 0 where it does not say.
func (f *frame) link(l LinkType) (version int, err error) {
	switch l {
	case LinkRaw:
		return 0, nil
	case LinkIPv4:
		return 4, nil
	case LinkIPv6:
		return 6, nil
	case LinkNull, LinkLoop:
		return f.family()
	case LinkEthernet:
		return f.ether(12, 14)
	case LinkSLL:
		return f.ether(14, 16)
	case LinkSLL2:
		return f.ether(0, 20)
	case LinkPKTAP:
		return f.pktap()
	}
	return 0, LinkTypeError(l)
}

// ether takes off a header of size bytes with an EtherType at an offset, and the
// VLAN tags behind it.
func (f *frame) ether(at, size int) (version int, err error) {
	for {
		if len(f.data) < size {
			return 0, ErrTruncated
		}
		kind := binary.BigEndian.Uint16(f.data[at:])
		f.skip(size)
		switch kind {
		case etherIPv4:
			return 4, nil
		case etherIPv6:
			return 6, nil
		case 0x8100, 0x88a8, 0x9100:
			at, size = 2, 4
		default:
			return 0, ErrNotIP
		}
	}
}

// family takes off an address family. Its byte order is that of the machine that
// captured, which the file's need not be: the values tell.
func (f *frame) family() (version int, err error) {
	if len(f.data) < 4 {
		return 0, ErrTruncated
	}
	family := binary.LittleEndian.Uint32(f.data)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(f.data)
	}
	f.skip(4)
	switch family {
	case 2: // AF_INET everywhere
		return 4, nil
	case 10, 24, 28, 30: // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS
		return 6, nil
	}
	return 0, ErrNotIP
}

// pktap takes off the header that macOS puts before the link layer's own, and
// that one. Its first four fields are: length, type of the next record, DLT of
// the frame.
func (f *frame) pktap() (version int, err error) {
	const record, dltRaw, dltPKTAP = 1, 12, 149
	if len(f.data) < 12 {
		return 0, ErrTruncated
	}
	size := binary.LittleEndian.Uint32(f.data)
	next := binary.LittleEndian.Uint32(f.data[4:])
	dlt := binary.LittleEndian.Uint32(f.data[8:])
	switch {
	case next != record:
		return 0, ErrNotIP
	case size < 12:
		return 0, ErrMalformed
	case uint64(size) > uint64(len(f.data)):
		return 0, ErrTruncated
	}
	f.skip(int(size))
	switch {
	case dlt == dltRaw:
		return f.link(LinkRaw)
	case dlt == dltPKTAP || dlt == uint32(LinkPKTAP) || dlt > 0xffff: // not one in another
		return 0, ErrNotIP
	}
	return f.link(LinkType(dlt))
}
