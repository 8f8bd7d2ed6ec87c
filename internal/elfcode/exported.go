package elfcode

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The tags of the dynamic section.
const (
	tagEnd     = 0
	tagHash    = 4          // DT_HASH
	tagStrings = 5          // DT_STRTAB
	tagSymbols = 6          // DT_SYMTAB
	tagGNUHash = 0x6ffffef5 // DT_GNU_HASH
)

const symbolSize = 24 // Elf64_Sym

// Exported returns the offset in the file of a function that the file exports under a
// name, to be found by the dynamic linker. A file that exports no such function is
// [ErrNone].
func (f *File) Exported(name string) (uint64, error) {
	offset, err := f.exported(name)
	if err != nil && !errors.Is(err, ErrNone) {
		err = fmt.Errorf("find %s among exported functions: %w", name, err)
	}
	return offset, err
}

func (f *File) exported(name string) (uint64, error) {
	if f.dynamic.FileBytes == 0 {
		return 0, ErrNone // it is linked statically
	}
	tags := map[uint64]uint64{}
	le := binary.LittleEndian
	b := make([]byte, min(f.dynamic.FileBytes, maxDynamic*16)&^15)
	if err := f.ReadAt(b, f.dynamic.Offset); err != nil {
		return 0, err
	}
	for ; len(b) > 0; b = b[16:] {
		tag := le.Uint64(b)
		if tag == tagEnd {
			break
		}
		tags[tag] = le.Uint64(b[8:])
	}
	t := symbols{file: f, at: tags[tagSymbols], names: tags[tagStrings], want: name}
	switch {
	case t.at == 0 || t.names == 0:
		return 0, ErrNone
	case tags[tagGNUHash] != 0:
		return t.gnu(tags[tagGNUHash])
	case tags[tagHash] != 0:
		return t.old(tags[tagHash])
	}
	return 0, ErrNone
}

// symbols are the dynamic symbols of a file, and the one that is looked for.
type symbols struct {
	file      *File
	at, names uint64
	want      string
}

// gnu looks in a hash table of the GNU kind
// (https://flapenguin.me/elf-dt-gnu-hash, binutils' bfd/elflink.c).
func (t *symbols) gnu(table uint64) (uint64, error) {
	var h [16]byte
	if err := t.file.readAddr(h[:], table); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	buckets, first, bloom := uint64(le.Uint32(h[:])), uint64(le.Uint32(h[4:])), uint64(le.Uint32(h[8:]))
	if buckets == 0 {
		return 0, ErrNone
	}
	hash := uint32(5381)
	for i := range len(t.want) {
		hash = hash*33 + uint32(t.want[i])
	}
	bucket := table + 16 + 8*bloom
	chains := bucket + 4*buckets
	start, err := t.file.half(bucket + 4*(uint64(hash)%buckets))
	if err != nil || uint64(start) < first {
		return 0, errors.Join(ErrNone, err)
	}
	for i := range uint64(maxChain) {
		n := uint64(start) + i
		link, err := t.file.half(chains + 4*(n-first))
		if err != nil {
			return 0, err
		}
		if link|1 == hash|1 {
			if offset, ok, err := t.symbol(n); ok || err != nil {
				return offset, err
			}
		}
		if link&1 != 0 {
			return 0, ErrNone
		}
	}
	return 0, errors.New("the table of symbols has no end")
}

// old looks in a hash table of the kind of System V.
func (t *symbols) old(table uint64) (uint64, error) {
	buckets, err := t.file.half(table)
	if err != nil {
		return 0, err
	}
	if buckets == 0 {
		return 0, ErrNone
	}
	hash := uint32(0)
	for i := range len(t.want) {
		hash = hash<<4 + uint32(t.want[i])
		hash = (hash ^ hash>>24&0xf0) & 0x0fffffff
	}
	n, err := t.file.half(table + 8 + 4*uint64(hash%buckets))
	for range maxChain {
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, ErrNone
		}
		if offset, ok, err := t.symbol(uint64(n)); ok || err != nil {
			return offset, err
		}
		n, err = t.file.half(table + 8 + 4*uint64(buckets) + 4*uint64(n))
	}
	return 0, errors.New("the table of symbols has no end")
}

// symbol reports whether a symbol is the function that is wanted, and where it is.
func (t *symbols) symbol(n uint64) (offset uint64, ok bool, err error) {
	var s [symbolSize]byte
	if err := t.file.readAddr(s[:], t.at+symbolSize*n); err != nil {
		return 0, false, err
	}
	le := binary.LittleEndian
	const function, global, weak, undefined = 2, 1, 2, 0 // STT_FUNC, STB_GLOBAL, STB_WEAK, SHN_UNDEF
	kind, binding := s[4]&0xf, s[4]>>4
	if kind != function || binding != global && binding != weak || le.Uint16(s[6:]) == undefined {
		return 0, false, nil
	}
	name := make([]byte, min(len(t.want), maxName)+1)
	if t.file.readAddr(name, t.names+uint64(le.Uint32(s[:]))) != nil || string(name) != t.want+"\x00" {
		return 0, false, nil
	}
	offset, err = t.file.code(le.Uint64(s[8:]))
	return offset, err == nil, err
}
