// Package elfcode finds functions in ELF files: where their first instruction stands in
// the file, which is how the kernel names the place of a uprobe. It knows the functions
// that a file exports, and those of Go programs, also of stripped ones.
//
// A file may be made by anyone: all that it says is checked, and what is read of it is
// bounded. It reads files of 64 bits in little-endian order, which are those of the
// machines with uprobes that lodge knows. Pure.
//
// The formats: System V ABI, "Object Files" and "Dynamic Linking" (https://gabi.xinuos.com),
// and elf(5).
package elfcode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrNone is the error of a file that has no function of the name.
var ErrNone = errors.New("no such function")

// The bounds of what a file may have.
const (
	maxSegments = 512
	maxSections = 4096
	maxDynamic  = 4096
	maxChain    = 1 << 16 // symbols of one bucket
	maxName     = 1 << 12 // bytes of a symbol's name
)

const (
	headerSize  = 64 // Elf64_Ehdr
	segmentSize = 56 // Elf64_Phdr
	sectionSize = 64 // Elf64_Shdr

	segmentLoad    = 1 // PT_LOAD
	segmentDynamic = 2 // PT_DYNAMIC

	flagExecute = 1 // PF_X
	flagWrite   = 2 // PF_W
)

// segment is a part of the file that is mapped.
type segment struct {
	flags                       uint32
	offset, addr, fileSize, mem uint64
}

// File is an ELF file of which the headers were read.
type File struct {
	r        io.ReaderAt
	loads    []segment
	dynamic  segment
	sections uint64 // where their headers are
	count    uint64 // of sections
	names    uint64 // which of them has their names
}

// Open reads the headers of a file, an executable or a shared object.
func Open(r io.ReaderAt) (*File, error) {
	f := &File{r: r}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("read ELF headers: %w", err)
	}
	return f, nil
}

func (f *File) open() error {
	var h [headerSize]byte
	if err := f.readAt(h[:], 0); err != nil {
		return err
	}
	le := binary.LittleEndian
	switch kind := le.Uint16(h[16:]); {
	case string(h[:4]) != "\x7fELF":
		return errors.New("no ELF file")
	case h[4] != 2 || h[5] != 1: // EI_CLASS, EI_DATA
		return errors.New("not of 64 bits in little-endian order")
	case kind != 2 && kind != 3: // ET_EXEC, ET_DYN
		return errors.New("neither a program nor a shared object")
	case le.Uint16(h[54:]) != segmentSize:
		return errors.New("segment headers of another size")
	}
	count := uint64(le.Uint16(h[56:]))
	if count > maxSegments {
		return fmt.Errorf("%d segments, more than %d", count, maxSegments)
	}
	b := make([]byte, count*segmentSize)
	if err := f.readAt(b, le.Uint64(h[32:])); err != nil {
		return err
	}
	for ; len(b) > 0; b = b[segmentSize:] {
		s := segment{flags: le.Uint32(b[4:]), offset: le.Uint64(b[8:]), addr: le.Uint64(b[16:]), fileSize: le.Uint64(b[32:]), mem: le.Uint64(b[40:])}
		if s.offset+s.fileSize < s.offset || s.addr+s.fileSize < s.addr {
			return errors.New("a segment beyond all addresses")
		}
		switch le.Uint32(b) {
		case segmentLoad:
			f.loads = append(f.loads, s)
		case segmentDynamic:
			f.dynamic = s
		}
	}
	f.sections, f.count, f.names = le.Uint64(h[40:]), uint64(le.Uint16(h[60:])), uint64(le.Uint16(h[62:]))
	if le.Uint16(h[58:]) != sectionSize || f.sections == 0 || f.count > maxSections {
		f.count = 0
	}
	return nil
}

// Executable reports whether an offset of the file is in a part that processes execute.
func (f *File) Executable(offset uint64) bool {
	for _, s := range f.loads {
		if s.flags&flagExecute != 0 && offset >= s.offset && offset-s.offset < s.fileSize {
			return true
		}
	}
	return false
}

// code returns the offset in the file of an address of code.
func (f *File) code(addr uint64) (uint64, error) {
	offset, ok := f.offset(addr)
	if !ok || !f.Executable(offset) {
		return 0, fmt.Errorf("address %#x is not one of code", addr)
	}
	return offset, nil
}

// offset returns where the byte at an address stands in the file.
func (f *File) offset(addr uint64) (uint64, bool) {
	for _, s := range f.loads {
		if addr >= s.addr && addr-s.addr < s.fileSize {
			return s.offset + (addr - s.addr), true
		}
	}
	return 0, false
}

// readAddr fills b with what is at an address.
func (f *File) readAddr(b []byte, addr uint64) error {
	offset, ok := f.offset(addr)
	if !ok {
		return fmt.Errorf("address %#x is not in the file", addr)
	}
	return f.readAt(b, offset)
}

// readAt fills b with what is at an offset of the file.
func (f *File) readAt(b []byte, offset uint64) error {
	if offset > 1<<62 {
		return fmt.Errorf("offset %#x is beyond the end of the file", offset)
	}
	n, err := f.r.ReadAt(b, int64(offset))
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (f *File) half(addr uint64) (uint32, error) {
	var b [4]byte
	err := f.readAddr(b[:], addr)
	return binary.LittleEndian.Uint32(b[:]), err
}

// section is a section's header, as far as it is needed.
type section struct{ addr, offset, size uint64 }

// section returns the section of a name; ok is false if there is none.
func (f *File) section(name string) (s section, ok bool) {
	if f.count == 0 || f.names >= f.count {
		return s, false
	}
	b := make([]byte, f.count*sectionSize)
	if f.readAt(b, f.sections) != nil {
		return s, false
	}
	le := binary.LittleEndian
	strings := le.Uint64(b[f.names*sectionSize+24:])
	got := make([]byte, len(name)+1)
	for ; len(b) > 0; b = b[sectionSize:] {
		at := strings + uint64(le.Uint32(b))
		if f.readAt(got, at) == nil && string(got) == name+"\x00" {
			return section{addr: le.Uint64(b[16:]), offset: le.Uint64(b[24:]), size: le.Uint64(b[32:])}, true
		}
	}
	return s, false
}
