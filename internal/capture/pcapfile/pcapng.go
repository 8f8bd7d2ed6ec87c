package pcapfile

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Types of blocks.
const (
	blockSection      = 0x0a0d0d0a // the same in both byte orders
	blockInterface    = 1
	blockPacket       = 2 // obsolete
	blockSimplePacket = 3
	blockNames        = 4
	blockStatistics   = 5
	blockEnhanced     = 6
	blockSecrets      = 10
	blockCustom       = 0x00000bad
	blockCustomLocal  = 0x40000bad // not to be copied into other files
)

// blockName returns what errors call a block.
func blockName(kind uint32) string {
	switch kind {
	case blockSection:
		return "section header"
	case blockInterface:
		return "interface description"
	case blockPacket, blockSimplePacket, blockEnhanced:
		return "packet"
	case blockNames:
		return "name resolution"
	case blockStatistics:
		return "interface statistics"
	case blockSecrets:
		return "decryption secrets"
	case blockCustom, blockCustomLocal:
		return "custom block"
	}
	return fmt.Sprintf("block of the type 0x%08x", kind)
}

const (
	byteOrderMagic = 0x1a2b3c4d
	minBlock       = 12
	minSection     = 28
)

// pcapng reads a pcapng file.
type pcapng struct {
	src   *source
	have  *contents
	order binary.ByteOrder // of the section
	first int              // the section's first interface
	// unknown reports that the section is of an unknown version: its blocks are
	// skipped. version is the error that the end of the file then is.
	unknown bool
	version error
	// onlySecrets: no other blocks are decoded, but sections.
	onlySecrets bool
}

// openPcapng reads the first section header.
func openPcapng(src *source, r *Reader, onlySecrets bool) error {
	p := &pcapng{src: src, have: r.have, order: binary.LittleEndian, onlySecrets: onlySecrets}
	if _, err := p.block(); err != nil {
		return err
	}
	r.next, r.end = p.next, p.end
	return nil
}

// maxEnd is how many blocks from the end of a file are looked at, and maxStatistics how
// long one may be.
const (
	maxEnd        = 64
	maxStatistics = 4 << 10
)

// end reads counters at the end of the file, going back from there while blocks are such.
func (p *pcapng) end(file io.ReaderAt, size int64) {
	if len(p.have.sections) != 1 || p.unknown {
		return
	}
	var blocks [][]byte
	for range maxEnd {
		var length [4]byte
		if _, err := file.ReadAt(length[:], size-4); err != nil || size < minSection {
			break
		}
		n := int64(p.order.Uint32(length[:]))
		if n < minBlock || n > maxStatistics || n%4 != 0 || n > size {
			break
		}
		b := make([]byte, n)
		if _, err := file.ReadAt(b, size-n); err != nil || p.order.Uint32(b) != blockStatistics || int64(p.order.Uint32(b[4:])) != n {
			break
		}
		blocks = append(blocks, b[8:n-4])
		size -= n
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		_ = p.statistics(blocks[i]) // what is wrong with it is not known then
	}
}

func (p *pcapng) next() (*Record, error) {
	for {
		rec, err := p.block()
		if err == io.EOF && p.version != nil {
			return nil, p.version
		}
		if rec != nil || err != nil {
			return rec, err
		}
	}
}

// atEnd returns the error of a file that ended where a block could begin, or in
// the block's header.
func atEnd(block string, start int64, err error) error {
	if err == io.EOF {
		return err
	}
	return &Error{block, start, err}
}

// block reads a block, and returns the packet that is in it, if one is.
func (p *pcapng) block() (*Record, error) {
	start := p.src.pos
	h, err := p.src.header(8)
	if err != nil {
		return nil, atEnd("block", start, err)
	}
	head := [8]byte(h) // h is valid until more is read
	kind := p.order.Uint32(head[:])
	if kind == blockSection {
		magic, err := p.src.r.Peek(4)
		if err != nil {
			return nil, &Error{blockName(kind), start, unexpected(err)}
		}
		order, ok := byteOrder(magic)
		if !ok {
			return nil, &Error{blockName(kind), start, malformed("its byte-order magic is %x", magic)}
		}
		p.order = order
	}
	length := p.order.Uint32(head[4:])
	if length < minBlock || length > maxBlock {
		return nil, &Error{blockName(kind), start, malformed("its length %d is not from %d to %d", length, minBlock, maxBlock)}
	}
	// The length should be a multiple of 4. Some programs pad the block and
	// leave the padding out of the length, so Wireshark reads it like this.
	size := padded(int(length)) - minBlock
	known := p.knows(kind)
	var body []byte
	if known {
		body, err = p.src.read(size)
	} else {
		p.have.counts.Skipped++
		err = p.src.skip(size)
	}
	if err != nil {
		return nil, &Error{blockName(kind), start, err}
	}
	var trailer uint32
	if t, err := p.src.header(4); err != nil {
		return nil, &Error{blockName(kind), start, unexpected(err)}
	} else {
		trailer = p.order.Uint32(t)
	}
	if trailer != length {
		return nil, &Error{blockName(kind), start, malformed("its length is %d at the begin and %d at the end", length, trailer)}
	}
	if !known {
		return nil, nil
	}
	rec, err := p.decode(kind, body, start)
	if err != nil {
		return nil, &Error{blockName(kind), start, err}
	}
	return rec, nil
}

// byteOrder returns the byte order of a section by its magic number.
func byteOrder(magic []byte) (binary.ByteOrder, bool) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if order.Uint32(magic) == byteOrderMagic {
			return order, true
		}
	}
	return nil, false
}

// knows reports whether a block is decoded. The others are skipped.
func (p *pcapng) knows(kind uint32) bool {
	switch kind {
	case blockSection:
		return true
	case blockSecrets:
		return !p.unknown
	case blockInterface, blockPacket, blockSimplePacket, blockEnhanced, blockNames, blockStatistics, blockCustom, blockCustomLocal:
		return !p.unknown && !p.onlySecrets
	}
	return false
}

// decode decodes the body of a block.
func (p *pcapng) decode(kind uint32, b []byte, start int64) (*Record, error) {
	switch kind {
	case blockSection:
		return nil, p.section(b, start)
	case blockInterface:
		return nil, p.iface(b)
	case blockEnhanced:
		return p.enhanced(b)
	case blockPacket:
		return p.packet(b)
	case blockSimplePacket:
		return p.simple(b)
	case blockNames:
		return nil, p.names(b)
	case blockStatistics:
		return nil, p.statistics(b)
	case blockSecrets:
		return nil, p.secrets(b)
	}
	return nil, p.custom(b)
}

// section begins a section.
func (p *pcapng) section(b []byte, start int64) error {
	if len(b) < minSection-minBlock {
		return malformed("it has %d bytes", len(b)+minBlock)
	}
	if !p.have.keep(len(b)) {
		return errTooMuch
	}
	major, minor := p.order.Uint16(b[4:]), p.order.Uint16(b[6:])
	p.first = len(p.have.interfaces)
	// Version 1.2 is the same as 1.0.
	p.unknown = major != 1 || minor != 0 && minor != 2
	if p.unknown {
		p.version = &Error{"section", start, fmt.Errorf("%w: pcapng %d.%d", ErrVersion, major, minor)}
	}
	s := Section{BigEndian: p.order == binary.BigEndian}
	if p.unknown {
		p.have.sections = append(p.have.sections, s)
		return nil
	}
	err := options(b[16:], p.order, func(o option) error {
		switch o.code {
		case optComment:
			s.Comments = append(s.Comments, o.text())
		case optSectionHardware:
			s.Hardware = o.text()
		case optSectionOS:
			s.OS = o.text()
		case optSectionApplication:
			s.Application = o.text()
		}
		return nil
	})
	p.have.sections = append(p.have.sections, s)
	return err
}

// iface reads an Interface Description Block.
func (p *pcapng) iface(b []byte) error {
	if len(b) < 8 {
		return malformed("it has %d bytes", len(b)+minBlock)
	}
	if !p.have.keep(len(b)) {
		return errTooMuch
	}
	i := Interface{
		Section:  len(p.have.sections) - 1,
		ID:       len(p.have.interfaces) - p.first,
		LinkType: LinkType(p.order.Uint16(b)),
		SnapLen:  p.order.Uint32(b[4:]),
	}
	err := options(b[8:], p.order, func(o option) error {
		switch o.code {
		case optComment:
			i.Comments = append(i.Comments, o.text())
		case optInterfaceName:
			i.Name = o.text()
		case optInterfaceDescription:
			i.Description = o.text()
		case optInterfaceHardware:
			i.Hardware = o.text()
		case optInterfaceOS:
			i.OS = o.text()
		case optInterfaceFilter:
			if len(o.value) > 0 && o.value[0] == 0 { // an expression, not BPF instructions
				o.value = o.value[1:]
				i.Filter = o.text()
			}
		case optInterfaceResolution:
			if err := o.size(1); err != nil {
				return err
			}
			i.clock = i.clock.resolved(o.value[0])
		case optInterfaceOffset:
			var n uint64
			if err := o.uint64(&n); err != nil {
				return err
			}
			i.clock.offset = int64(n)
		}
		return nil
	})
	p.have.interfaces = append(p.have.interfaces, i)
	return err
}

// lookup finds an interface of the section by its number.
func (p *pcapng) lookup(id uint32) (int, *Interface, error) {
	section := p.have.interfaces[p.first:]
	if uint64(id) >= uint64(len(section)) {
		return 0, nil, malformed("its interface is %d, of %d in the section", id, len(section))
	}
	return p.first + int(id), &section[id], nil
}
