// Package elfsection reads one section of an ELF file, such as the build information of a
// Go program. Package debug/elf reads much more, and brings decompression and DWARF with
// it. Pure.
//
// The format: System V ABI, chapter 4 "Object Files" (https://gabi.xinuos.com), and elf(5).
package elfsection

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrNone is the error of a file that has no section of the name.
var ErrNone = errors.New("no such section")

const (
	maxSections = 0xff00  // SHN_LORESERVE: from here on, e_shnum is 0 and the number stands elsewhere
	maxNames    = 1 << 20 // bytes of the table of section names

	typeNoBits     = 8      // SHT_NOBITS: the section has no bytes in the file
	flagCompressed = 0x0800 // SHF_COMPRESSED
)

// header is what a section header says.
type header struct {
	name, kind, flags, offset, size uint64
}

// file is an ELF file whose header was read.
type file struct {
	r     io.ReaderAt
	order binary.ByteOrder
	wide  bool // ELFCLASS64
	// Where the section headers are, the length of one, how many there are, and which of
	// them has the names.
	offset              uint64
	length, count, name uint64
}

// Read returns the content of the named section, of at most limit bytes. A file
// without the section, also one without section headers, is [ErrNone]. A section that has no
// bytes in the file, or is compressed, is an error, and so are more than 65279 sections.
func Read(r io.ReaderAt, name string, limit int) ([]byte, error) {
	f, err := open(r)
	if err != nil {
		return nil, err
	}
	if f.count == 0 || f.name >= f.count {
		return nil, ErrNone // sstrip(1) takes the section headers away
	}
	headers := make([]byte, f.count*f.length)
	if err := readAt(r, headers, f.offset); err != nil {
		return nil, fmt.Errorf("read section headers: %w", err)
	}
	at := func(i uint64) header { return f.header(headers[i*f.length:]) }
	names, err := f.content(at(f.name), maxNames)
	if err != nil {
		return nil, fmt.Errorf("read section names: %w", err)
	}
	for i := range f.count {
		h := at(i)
		if h.name >= uint64(len(names)) {
			continue
		}
		if got, _, ended := bytes.Cut(names[h.name:], []byte{0}); !ended || string(got) != name {
			continue
		}
		b, err := f.content(h, uint64(max(limit, 0)))
		if err != nil {
			return nil, fmt.Errorf("read section %s: %w", name, err)
		}
		return b, nil
	}
	return nil, ErrNone
}

// open reads the file's header (Elf32_Ehdr, Elf64_Ehdr).
func open(r io.ReaderAt) (*file, error) {
	var b [64]byte
	if err := readAt(r, b[:52], 0); err != nil { // the header of 32 bits
		return nil, fmt.Errorf("read ELF header: %w", err)
	}
	if string(b[:4]) != "\x7fELF" {
		return nil, errors.New("read ELF header: no ELF file")
	}
	f := &file{r: r, order: binary.LittleEndian}
	switch b[5] { // EI_DATA
	case 1:
	case 2:
		f.order = binary.BigEndian
	default:
		return nil, fmt.Errorf("read ELF header: byte order %d", b[5])
	}
	least := uint64(40)
	switch b[4] { // EI_CLASS
	case 1:
		f.offset = uint64(f.order.Uint32(b[32:]))
		f.length, f.count, f.name = f.half(b[46:]), f.half(b[48:]), f.half(b[50:])
	case 2:
		if err := readAt(r, b[:], 0); err != nil {
			return nil, fmt.Errorf("read ELF header: %w", err)
		}
		f.wide, least = true, 64
		f.offset = f.order.Uint64(b[40:])
		f.length, f.count, f.name = f.half(b[58:]), f.half(b[60:]), f.half(b[62:])
	default:
		return nil, fmt.Errorf("read ELF header: class %d", b[4])
	}
	if f.offset == 0 {
		f.count = 0
	} else if f.count == 0 || f.count >= maxSections {
		return nil, errors.New("read ELF header: more sections than 65279")
	}
	if f.count > 0 && (f.length < least || f.length > 2*least) {
		return nil, fmt.Errorf("read ELF header: section headers of %d bytes", f.length)
	}
	return f, nil
}

func (f *file) half(b []byte) uint64 { return uint64(f.order.Uint16(b)) }

// header reads a section header (Elf32_Shdr, Elf64_Shdr).
func (f *file) header(b []byte) header {
	word := func(at int) uint64 { return uint64(f.order.Uint32(b[at:])) }
	if !f.wide {
		return header{name: word(0), kind: word(4), flags: word(8), offset: word(16), size: word(20)}
	}
	return header{name: word(0), kind: word(4), flags: f.order.Uint64(b[8:]), offset: f.order.Uint64(b[24:]), size: f.order.Uint64(b[32:])}
}

// content returns the bytes of a section.
func (f *file) content(h header, limit uint64) ([]byte, error) {
	switch {
	case h.kind == typeNoBits:
		return nil, errors.New("it has no bytes in the file")
	case h.flags&flagCompressed != 0:
		return nil, errors.New("it is compressed")
	case h.size > limit:
		return nil, fmt.Errorf("it has %d bytes, more than %d", h.size, limit)
	}
	b := make([]byte, h.size)
	return b, readAt(f.r, b, h.offset)
}

// readAt fills b with what is at an offset of the file.
func readAt(r io.ReaderAt, b []byte, offset uint64) error {
	if offset > 1<<62 {
		return fmt.Errorf("offset %#x is beyond the end of the file", offset)
	}
	n, err := r.ReadAt(b, int64(offset))
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
