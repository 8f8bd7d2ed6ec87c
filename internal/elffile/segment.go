package elffile

import (
	"errors"
	"fmt"
)

// The kinds of segments (p_type), and what may be done in them (p_flags).
const (
	Load    = 1 // PT_LOAD
	Dynamic = 2 // PT_DYNAMIC

	Execute = 1 // PF_X
	Write   = 2 // PF_W
)

// maxSegments bounds the segments; those that linkers make have some ten.
const maxSegments = 512

// Segment is a part of the file that is mapped at an address. Neither its end in the file
// nor that in memory is beyond 64 bits.
type Segment struct {
	Kind, Flags             uint32
	Offset, Addr, FileBytes uint64
}

// Segments returns the file's segments.
func (f *File) Segments() ([]Segment, error) {
	if f.segments.count == 0 {
		return nil, nil
	}
	if f.segments.count > maxSegments {
		return nil, fmt.Errorf("read ELF segments: %d, more than %d", f.segments.count, maxSegments)
	}
	least := uint64(32) // Elf32_Phdr
	if f.Wide {
		least = 56
	}
	b, err := f.read(f.segments, least)
	if err != nil {
		return nil, fmt.Errorf("read ELF segments: %w", err)
	}
	out := make([]Segment, f.segments.count)
	for i := range out {
		h := b[uint64(i)*f.segments.length:]
		s := &out[i]
		s.Kind, s.Flags = f.Order.Uint32(h), f.Order.Uint32(h[24:])
		words := h[4:]
		if f.Wide {
			s.Flags, words = f.Order.Uint32(h[4:]), h[8:]
		}
		n := f.size() // p_offset, p_vaddr, p_paddr, p_filesz
		s.Offset, s.Addr, s.FileBytes = f.word(words), f.word(words[n:]), f.word(words[3*n:])
		if s.Offset+s.FileBytes < s.Offset || s.Addr+s.FileBytes < s.Addr {
			return nil, errors.New("read ELF segments: one is beyond all addresses")
		}
	}
	return out, nil
}
