package elffile

import (
	"bytes"
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

// Section is a section whose bytes are in the file as they are.
type Section struct{ Addr, Offset, Size uint64 }

// Section returns the section of a name. A file without it, also one without section
// headers, is [ErrNone]. A section that has no bytes in the file, or is compressed, is an
// error, and so are more than 65279 sections.
func (f *File) Section(name string) (s Section, err error) {
	if f.sections.offset == 0 || f.sections.count != 0 && f.names >= f.sections.count {
		return s, ErrNone // sstrip(1) takes the section headers away
	}
	if f.sections.count == 0 || f.sections.count >= maxSections {
		return s, errors.New("read section headers: more sections than 65279")
	}
	least := uint64(40) // Elf32_Shdr
	if f.Wide {
		least = 64
	}
	headers, err := f.read(f.sections, least)
	if err != nil {
		return s, fmt.Errorf("read section headers: %w", err)
	}
	at := func(i uint64) []byte { return headers[i*f.sections.length:] }
	table, err := f.section(at(f.names))
	if err != nil {
		return s, fmt.Errorf("read section names: %w", err)
	}
	names, err := f.Content(table, maxNames)
	if err != nil {
		return s, fmt.Errorf("read section names: %w", err)
	}
	for i := range f.sections.count {
		n := uint64(f.Order.Uint32(at(i)))
		if n >= uint64(len(names)) {
			continue
		}
		if got, _, ended := bytes.Cut(names[n:], []byte{0}); !ended || string(got) != name {
			continue
		}
		if s, err = f.section(at(i)); err != nil {
			return s, fmt.Errorf("read section %s: %w", name, err)
		}
		return s, nil
	}
	return s, ErrNone
}

// section reads a section header (Elf32_Shdr, Elf64_Shdr).
func (f *File) section(b []byte) (s Section, err error) {
	n, kind, words := f.size(), f.Order.Uint32(b[4:]), b[8:] // sh_flags, sh_addr, sh_offset, sh_size
	switch {
	case kind == typeNoBits:
		return s, errors.New("it has no bytes in the file")
	case f.word(words)&flagCompressed != 0:
		return s, errors.New("it is compressed")
	}
	return Section{Addr: f.word(words[n:]), Offset: f.word(words[2*n:]), Size: f.word(words[3*n:])}, nil
}

// Content returns the bytes of a section, which are at most limit.
func (f *File) Content(s Section, limit int) ([]byte, error) {
	if s.Size > uint64(max(limit, 0)) {
		return nil, fmt.Errorf("it has %d bytes, more than %d", s.Size, limit)
	}
	b := make([]byte, s.Size)
	return b, f.ReadAt(b, s.Offset)
}

// ReadSection returns the content of a file's section, of at most limit bytes; see
// [File.Section].
func ReadSection(r io.ReaderAt, name string, limit int) ([]byte, error) {
	f, err := Open(r)
	if err != nil {
		return nil, err
	}
	s, err := f.Section(name)
	if err != nil {
		return nil, err
	}
	b, err := f.Content(s, limit)
	if err != nil {
		return nil, fmt.Errorf("read section %s: %w", name, err)
	}
	return b, nil
}
