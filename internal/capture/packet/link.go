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
	LinkEthernet LinkType = 1   // Ethernet, also with VLAN tags, MPLS labels and PPPoE
	LinkPPP      LinkType = 9   // PPP, with or without the HDLC-like framing's first bytes
	LinkDLTRaw   LinkType = 12  // as LinkRaw: programs that write the number of a BSD, not the file's
	LinkDLTRaw14 LinkType = 14  // as LinkRaw, of OpenBSD
	LinkPPPHDLC  LinkType = 50  // PPP with HDLC-like framing, or Cisco's
	LinkRaw      LinkType = 101 // IPv4 or IPv6
	LinkLoop     LinkType = 108 // OpenBSD loopback, address family in network byte order
	LinkSLL      LinkType = 113 // Linux "cooked"
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkNFLOG    LinkType = 239 // Linux netfilter log messages
	LinkPKTAP    LinkType = 258 // macOS, with process information
	LinkSLL2     LinkType = 276 // Linux "cooked", version 2
)

func (l LinkType) String() string {
	switch l {
	case LinkNull:
		return "NULL"
	case LinkEthernet:
		return "ETHERNET"
	case LinkPPP:
		return "PPP"
	case LinkPPPHDLC:
		return "PPP_HDLC"
	case LinkNFLOG:
		return "NFLOG"
	case LinkRaw, LinkDLTRaw, LinkDLTRaw14:
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
	case LinkNull, LinkEthernet, LinkPPP, LinkDLTRaw, LinkDLTRaw14, LinkPPPHDLC, LinkRaw, LinkLoop, LinkSLL, LinkIPv4, LinkIPv6, LinkNFLOG, LinkPKTAP, LinkSLL2:
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
	case LinkRaw, LinkDLTRaw, LinkDLTRaw14:
		return 0, nil
	case LinkPPP, LinkPPPHDLC:
		return f.ppp()
	case LinkNFLOG:
		return f.nflog()
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
		case 0x8847, 0x8848:
			return f.mpls()
		case 0x8864: // PPPoE: version, type, code, session, length (RFC 2516)
			if len(f.data) < 6 {
				return 0, ErrTruncated
			}
			f.skip(6)
			return f.ppp()
		default:
			return 0, ErrNotIP
		}
	}
}

// mpls takes off the labels of MPLS (RFC 3032). What is behind them says itself what it
// is.
func (f *frame) mpls() (version int, err error) {
	for {
		if len(f.data) < 4 {
			return 0, ErrTruncated
		}
		last := f.data[2]&1 != 0
		f.skip(4)
		if last {
			return 0, nil
		}
	}
}

// ppp takes off the header of PPP (RFC 1661, RFC 1662), of which the first two bytes may
// be missing and the protocol may have one byte, or that of Cisco's HDLC.
func (f *frame) ppp() (version int, err error) {
	const allStations, unnumbered, cisco = 0xff, 3, 0x0f
	if len(f.data) >= 2 && (f.data[0] == allStations && f.data[1] == unnumbered) {
		f.skip(2)
	} else if len(f.data) >= 2 && f.data[0] == cisco && f.data[1] == 0 {
		return f.ether(2, 4)
	}
	if len(f.data) < 2 {
		return 0, ErrTruncated
	}
	proto := binary.BigEndian.Uint16(f.data)
	size := 2
	if f.data[0]&1 != 0 {
		proto, size = uint16(f.data[0]), 1
	}
	f.skip(size)
	switch proto {
	case 0x21:
		return 4, nil
	case 0x57:
		return 6, nil
	}
	return 0, ErrNotIP
}

// nflog takes off a message of netfilter's log: a head of 4 bytes with the family, and
// attributes with a length and a type in the byte order of the machine that captured, of
// which the last one is the packet
// (https://www.tcpdump.org/linktypes/LINKTYPE_NFLOG.html).
func (f *frame) nflog() (version int, err error) {
	const payload = 9
	if len(f.data) < 4 {
		return 0, ErrTruncated
	}
	f.skip(4)
	order := binary.ByteOrder(binary.LittleEndian)
	if len(f.data) >= 4 && f.data[0] == 0 { // no attribute has a length that is a multiple of 256
		order = binary.BigEndian
	}
	for {
		if len(f.data) < 4 {
			return 0, f.short(4)
		}
		size, kind := int(order.Uint16(f.data)), order.Uint16(f.data[2:])&0x7fff
		if size < 4 {
			return 0, ErrMalformed
		}
		if kind == payload {
			f.limit(size)
			f.skip(4)
			return 0, nil
		}
		size = (size + 3) &^ 3
		if len(f.data) < size {
			return 0, f.short(size)
		}
		f.skip(size)
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
