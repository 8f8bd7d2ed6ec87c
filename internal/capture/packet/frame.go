package packet

import (
	"encoding/binary"
	"net/netip"
)

// frame is what is left of a frame: each header is taken off its front.
type frame struct {
	data []byte // captured
	wire int    // bytes on the wire, at least len(data)
	part *part  // where network returns ErrFragment: which one
}

// skip takes off n bytes, which have been captured.
func (f *frame) skip(n int) {
	f.data = f.data[n:]
	f.wire -= n
}

// limit cuts what is behind n bytes: padding.
func (f *frame) limit(n int) {
	f.wire = min(f.wire, n)
	f.data = f.data[:min(len(f.data), n)]
}

// short returns the error for a header of n bytes that is not there: the
// capture cut it, or it is not in the packet.
func (f *frame) short(n int) error {
	if f.wire >= n {
		return ErrTruncated
	}
	return ErrMalformed
}

// network takes off the headers before the transport protocol's.
func (f *frame) network(link LinkType) (src, dst netip.Addr, proto uint8, err error) {
	version, err := f.link(link)
	if err != nil {
		return src, dst, 0, err
	}
	if len(f.data) == 0 {
		return src, dst, 0, ErrTruncated
	}
	switch {
	case version == 0:
		version = int(f.data[0] >> 4)
		if version != 4 && version != 6 {
			return src, dst, 0, ErrNotIP
		}
	case version != int(f.data[0]>>4):
		return src, dst, 0, ErrMalformed
	}
	if version == 4 {
		return f.ipv4()
	}
	return f.ipv6()
}

func (f *frame) ipv4() (src, dst netip.Addr, proto uint8, err error) {
	h := f.data
	if len(h) < 20 {
		return src, dst, 0, f.short(20)
	}
	size := int(h[0]&15) * 4
	total := int(binary.BigEndian.Uint16(h[2:]))
	offset := binary.BigEndian.Uint16(h[6:])
	// A total length of 0 is that of a segment which is too long for the field
	// or whose length hardware would have set.
	if size < 20 || total != 0 && total < size {
		return src, dst, 0, ErrMalformed
	}
	if total != 0 {
		f.limit(total)
	}
	if len(f.data) < size {
		return src, dst, 0, f.short(size)
	}
	src = netip.AddrFrom4([4]byte(h[12:16]))
	dst = netip.AddrFrom4([4]byte(h[16:20]))
	f.skip(size)
	if offset&0x3fff != 0 { // more fragments, or an offset
		f.part = &part{
			of:     datagramKey{src: src, dst: dst, proto: h[9], id: uint32(binary.BigEndian.Uint16(h[4:]))},
			offset: int(offset&0x1fff) * 8, more: offset&0x2000 != 0,
		}
		return src, dst, 0, ErrFragment
	}
	return src, dst, h[9], nil
}

// The numbers of IPv6 extension headers that are skipped.
const (
	hopByHop    = 0
	routing     = 43
	fragment    = 44
	auth        = 51
	destination = 60
	mobility    = 135
	hip         = 139
	shim6       = 140
)

func (f *frame) ipv6() (src, dst netip.Addr, proto uint8, err error) {
	h := f.data
	if len(h) < 40 {
		return src, dst, 0, f.short(40)
	}
	// A payload length of 0 is that of a jumbogram, or as in IPv4.
	if n := int(binary.BigEndian.Uint16(h[4:])); n != 0 {
		f.limit(40 + n)
	}
	src = netip.AddrFrom16([16]byte(h[8:24]))
	dst = netip.AddrFrom16([16]byte(h[24:40]))
	proto = h[6]
	f.skip(40)
	proto, err = f.extensions(proto)
	if err == ErrFragment {
		f.part.of.src, f.part.of.dst = src, dst
	}
	return src, dst, proto, err
}

// extensions takes off the extension headers of IPv6, of which first is the first one's
// number.
func (f *frame) extensions(first uint8) (proto uint8, err error) {
	proto = first
	for {
		var size int
		switch proto {
		case hopByHop, routing, destination, mobility, hip, shim6:
			if len(f.data) < 2 {
				return 0, f.short(2)
			}
			size = 8 + int(f.data[1])*8
		case auth:
			if len(f.data) < 2 {
				return 0, f.short(2)
			}
			size = 8 + int(f.data[1])*4
		case fragment:
			if len(f.data) < 8 {
				return 0, f.short(8)
			}
			if v := binary.BigEndian.Uint16(f.data[2:]); v&0xfff9 != 0 {
				f.part = &part{of: datagramKey{proto: f.data[0], id: binary.BigEndian.Uint32(f.data[4:])}, offset: int(v &^ 7), more: v&1 != 0}
				f.skip(8)
				return 0, ErrFragment
			}
			size = 8
		default:
			return proto, nil
		}
		if len(f.data) < size {
			return 0, f.short(size)
		}
		proto = f.data[0]
		f.skip(size)
	}
}

func (f *frame) tcp(p *Packet) error {
	h := f.data
	if len(h) < 20 {
		return f.short(20)
	}
	size := int(h[12]>>4) * 4
	if size < 20 || f.wire < size {
		return ErrMalformed
	}
	p.Src = netip.AddrPortFrom(netip.Addr{}, binary.BigEndian.Uint16(h))
	p.Dst = netip.AddrPortFrom(netip.Addr{}, binary.BigEndian.Uint16(h[2:]))
	p.Seq = binary.BigEndian.Uint32(h[4:])
	p.Ack = binary.BigEndian.Uint32(h[8:])
	p.Flags = Flags(h[13] & 0x3f)
	p.Window = binary.BigEndian.Uint16(h[14:])
	if len(h) < size { // cut within the options: the payload's length is known
		f.data, f.wire = nil, f.wire-size
		return nil
	}
	f.skip(size)
	return nil
}

func (f *frame) udp(p *Packet) error {
	h := f.data
	if len(h) < 8 {
		return f.short(8)
	}
	size := int(binary.BigEndian.Uint16(h[4:]))
	if size != 0 { // 0: a jumbogram
		if size < 8 {
			return ErrMalformed
		}
		f.limit(size)
	}
	p.Src = netip.AddrPortFrom(netip.Addr{}, binary.BigEndian.Uint16(h))
	p.Dst = netip.AddrPortFrom(netip.Addr{}, binary.BigEndian.Uint16(h[2:]))
	p.Seq, p.Ack, p.Flags, p.Window = 0, 0, 0, 0
	f.skip(8)
	return nil
}
