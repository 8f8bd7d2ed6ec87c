package pcapfile

import "bytes"

// enhanced reads an Enhanced Packet Block.
func (p *pcapng) enhanced(b []byte) (*Record, error) {
	if len(b) < 20 {
		return nil, malformed("it has %d bytes", len(b)+minBlock)
	}
	rec, err := p.record(p.order.Uint32(b), b[4:])
	if err != nil {
		return nil, err
	}
	return rec, p.packetOptions(rec, b[20:])
}

// packet reads a Packet Block.
func (p *pcapng) packet(b []byte) (*Record, error) {
	if len(b) < 20 {
		return nil, malformed("it has %d bytes", len(b)+minBlock)
	}
	rec, err := p.record(uint32(p.order.Uint16(b)), b[4:])
	if err != nil {
		return nil, err
	}
	if dropped := p.order.Uint16(b[2:]); dropped != 0xffff { // else not known
		rec.Dropped = uint64(dropped)
	}
	return rec, p.packetOptions(rec, b[20:])
}

// record reads what the two blocks above have in common: timestamp, lengths,
// data.
func (p *pcapng) record(id uint32, b []byte) (*Record, error) {
	index, iface, err := p.lookup(id)
	if err != nil {
		return nil, err
	}
	ts := uint64(p.order.Uint32(b))<<32 | uint64(p.order.Uint32(b[4:]))
	length, orig := p.order.Uint32(b[8:]), p.order.Uint32(b[12:])
	b = b[16:]
	if uint64(length) > uint64(len(b)) {
		return nil, malformed("its packet has the length %d, with %d bytes left", length, len(b))
	}
	return &Record{
		Time:      iface.clock.time(ts),
		LinkType:  iface.LinkType,
		Interface: index,
		Data:      bytes.Clone(b[:length]),
		OrigLen:   max(orig, length),
	}, nil
}

// packetOptions reads the options of a packet, which follow its data in b.
func (p *pcapng) packetOptions(rec *Record, b []byte) error {
	b = b[min(padded(len(rec.Data)), len(b)):]
	return options(b, p.order, func(o option) error {
		switch o.code {
		case optComment:
			rec.Comments = append(rec.Comments, o.text())
		case optPacketFlags:
			return o.uint32((*uint32)(&rec.Flags))
		case optPacketDropCount:
			return o.uint64(&rec.Dropped)
		case optPacketProcess:
			pid, tid, err := o.pair()
			if err != nil {
				return err
			}
			rec.Processes = append(rec.Processes, ProcessRef{pid, tid})
		}
		return nil
	})
}

// simple reads a Simple Packet Block, which has neither a time nor options and
// is of the section's first interface.
func (p *pcapng) simple(b []byte) (*Record, error) {
	if len(b) < 4 {
		return nil, malformed("it has %d bytes", len(b)+minBlock)
	}
	index, iface, err := p.lookup(0)
	if err != nil {
		return nil, err
	}
	orig := p.order.Uint32(b)
	length := orig
	if iface.SnapLen != 0 {
		length = min(orig, iface.SnapLen)
	}
	b = b[4:]
	if uint64(length) > uint64(len(b)) {
		return nil, malformed("its packet has the length %d, with %d bytes left", length, len(b))
	}
	return &Record{
		LinkType:  iface.LinkType,
		Interface: index,
		Data:      bytes.Clone(b[:length]),
		OrigLen:   orig,
	}, nil
}
