package pcapfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// Magic numbers of pcap files, in the byte order of the file.
const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34 // microseconds, and longer records
)

const (
	pcapHeader     = 24
	recordHeader   = 16
	recordModified = 24 // with the interface's index, the protocol and the packet's type
)

// pcap reads a pcap file.
type pcap struct {
	src    *source
	order  binary.ByteOrder
	tick   time.Duration
	record int // length of a record's header
	// The lengths of a packet are in the wrong order in files of versions before
	// 2.3, and in some of version 2.3.
	swapped, maySwap bool
	link             LinkType
}

// openPcap reads the header of a file.
func openPcap(src *source, have *contents) (func() (*Record, error), error) {
	b, err := src.r.Peek(4)
	if err != nil {
		return nil, err
	}
	p := &pcap{src: src, tick: time.Microsecond, record: recordHeader}
	magic := binary.LittleEndian.Uint32(b)
	p.order = binary.LittleEndian
	switch magic {
	case magicMicro, magicNano, magicModified:
	default:
		magic = binary.BigEndian.Uint32(b)
		p.order = binary.BigEndian
	}
	switch magic {
	case magicMicro:
	case magicNano:
		p.tick = time.Nanosecond
	case magicModified:
		p.record = recordModified
	default:
		return nil, ErrNotCapture
	}

	h, err := src.header(pcapHeader)
	if err != nil {
		return nil, &Error{"file header", 0, err}
	}
	major, minor := p.order.Uint16(h[4:]), p.order.Uint16(h[6:])
	switch {
	case major == 543: // as libpcap has it, of a system whose tcpdump was odd
		p.swapped = true
	case major != 2:
		return nil, &Error{"file header", 0, fmt.Errorf("%w: pcap %d.%d", ErrVersion, major, minor)}
	default:
		p.swapped = minor < 3
		p.maySwap = minor == 3
	}
	// The upper half has the length of the frame check sequence, and flags.
	p.link = LinkType(p.order.Uint32(h[20:]) & 0xffff)
	have.sections = []Section{{BigEndian: p.order == binary.BigEndian}}
	have.interfaces = []Interface{{LinkType: p.link, SnapLen: p.order.Uint32(h[16:])}}
	return p.next, nil
}

func (p *pcap) next() (*Record, error) {
	start := p.src.pos
	h, err := p.src.header(p.record)
	if err != nil {
		return nil, atEnd("packet", start, err)
	}
	sec, frac := p.order.Uint32(h), p.order.Uint32(h[4:])
	length, orig := p.order.Uint32(h[8:]), p.order.Uint32(h[12:])
	if p.swapped || p.maySwap && length > orig {
		length, orig = orig, length
	}
	if length > maxBlock {
		return nil, &Error{"packet", start, malformed("its length %d is over %d", length, maxBlock)}
	}
	data, err := p.src.read(int(length))
	if err != nil {
		return nil, &Error{"packet", start, err}
	}
	return &Record{
		Time:     time.Unix(int64(sec), int64(frac)*int64(p.tick)).UTC(),
		LinkType: p.link,
		Data:     bytes.Clone(data),
		OrigLen:  max(orig, length),
	}, nil
}
