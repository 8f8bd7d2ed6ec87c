package packet

import (
	"encoding/binary"
	"net/netip"
)

// Protocols of errors, by their numbers in IP.
const (
	icmp   = 1
	icmpv6 = 58
)

// Unreachable reports whether a frame is an error of ICMP that says that a packet was not
// taken: nothing has the port, or a rule forbids it (RFC 792, RFC 4443 section 3.1, RFC
// 1812 section 5.2.7.1). p is then that packet: its ends, its protocol, without payload.
// [Parse] returns [ErrNotTransport] for such a frame.
func Unreachable(link LinkType, data []byte, origLen int, p *Packet) bool {
	f := frame{data: data, wire: max(origLen, len(data))}
	_, _, proto, err := f.network(link)
	if err != nil || len(f.data) < 8 {
		return false
	}
	kind, code := f.data[0], f.data[1]
	switch proto {
	case icmp:
		if kind != 3 || code != 1 && code != 3 && code != 9 && code != 10 && code != 13 {
			return false
		}
	case icmpv6:
		if kind != 1 || code != 1 && code != 3 && code != 4 && code != 5 && code != 6 {
			return false
		}
	default:
		return false
	}
	// What the error quotes is cut, and of TCP it may have the ports alone.
	quoted := frame{data: f.data[8:], wire: 1 << 16}
	src, dst, proto, err := quoted.network(LinkRaw)
	h := quoted.data
	if err != nil || proto != uint8(TCP) && proto != uint8(UDP) || len(h) < 8 {
		return false
	}
	*p = Packet{
		Time: p.Time, Protocol: Protocol(proto),
		Src: netip.AddrPortFrom(src, binary.BigEndian.Uint16(h)), Dst: netip.AddrPortFrom(dst, binary.BigEndian.Uint16(h[2:])),
	}
	return true
}
