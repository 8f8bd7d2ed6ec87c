// Package elffile reads the headers of ELF files of both classes and byte orders: their
// segments, and sections by name. Package debug/elf reads much more, and brings
// decompression and DWARF with it.
//
// A file may be made by anyone: all that it says is checked, and what is read of it is
// bounded. Pure.
//
// The format: System V ABI, chapter 4 "Object Files" (https://gabi.xinuos.com), and elf(5).
package elffile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The kinds of files (e_type) that are executed.
const (
	Executable   = 2 // ET_EXEC
	SharedObject = 3 // ET_DYN: a library, or a program that runs at any address
)

// File is an ELF file whose header was read.
type File struct {
	// Order is its byte order, Wide says that it is of 64 bits (ELFCLASS64).
	Order binary.ByteOrder
	Wide  bool
	// Kind is e_type.
	Kind uint16

	r                  io.ReaderAt
	segments, sections table
	names              uint64 // which section has the names of sections
}

// table is a table of headers: where it is, how long each is, and how many there are.
type table struct{ offset, length, count uint64 }

// Open reads a file's header (Elf32_Ehdr, Elf64_Ehdr).
func Open(r io.ReaderAt) (*File, error) {
	f, err := open(r)
	if err != nil {
		return nil, fmt.Errorf("read ELF header: %w", err)
	}
	return f, nil
}

func open(r io.ReaderAt) (*File, error) {
	f := &File{r: r, Order: binary.LittleEndian}
	var b [64]byte
	if err := f.ReadAt(b[:52], 0); err != nil { // the header of 32 bits
		return nil, err
	}
	if string(b[:4]) != "\x7fELF" {
		return nil, errors.New("no ELF file")
	}
	switch b[5] { // EI_DATA
	case 1:
	case 2:
		f.Order = binary.BigEndian
	default:
		return nil, fmt.Errorf("byte order %d", b[5])
	}
	at := 28      // of what differs between the classes: e_phoff
	switch b[4] { // EI_CLASS
	case 1:
	case 2:
		if err := f.ReadAt(b[:], 0); err != nil {
			return nil, err
		}
		f.Wide, at = true, 32
	default:
		return nil, fmt.Errorf("class %d", b[4])
	}
	f.Kind = f.Order.Uint16(b[16:])
	f.segments.offset, f.sections.offset = f.word(b[at:]), f.word(b[at+f.size():])
	rest := b[at+2*f.size()+6:] // behind e_flags and e_ehsize
	half := func(n int) uint64 { return uint64(f.Order.Uint16(rest[2*n:])) }
	f.segments.length, f.segments.count = half(0), half(1)
	f.sections.length, f.sections.count, f.names = half(2), half(3), half(4)
	return f, nil
}

// size is that of an address or offset of the file's class, in bytes.
func (f *File) size() int {
	if f.Wide {
		return 8
	}
	return 4
}

// word reads an address or offset.
func (f *File) word(b []byte) uint64 {
	if f.Wide {
		return f.Order.Uint64(b)
	}
	return uint64(f.Order.Uint32(b))
}

// read returns a table's headers, each of which has at least so many bytes.
func (f *File) read(t table, least uint64) ([]byte, error) {
	if t.length < least || t.length > 2*least {
		return nil, fmt.Errorf("headers of %d bytes", t.length)
	}
	b := make([]byte, t.count*t.length)
	return b, f.ReadAt(b, t.offset)
}

// ReadAt fills b with what is at an offset of the file.
func (f *File) ReadAt(b []byte, offset uint64) error {
	if offset > 1<<62 {
		return fmt.Errorf("offset %#x is beyond the end of the file", offset)
	}
	n, err := f.r.ReadAt(b, int64(offset))
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
