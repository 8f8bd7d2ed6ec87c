package elfcode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"lodge/internal/elffile"
)

// ErrNotGo is the error of a file that is no Go program, or of which that cannot be told
// any more because it has no section headers.
var ErrNotGo = errors.New("no Go program")

// The bounds of what is read of a Go program.
const (
	maxFunctions = 1 << 22
	maxTable     = 256 << 20
	maxData      = 256 << 20 // of all of its data
	maxModules   = 16
)

// The first bytes of the table of functions (cmd/internal/abi, PCLnTabMagic). Its layout
// is that of Go 1.18 on.
const (
	magic118 = 0xfffffff0
	magic120 = 0xfffffff1
)

// The table's words behind its first eight bytes (runtime.pcHeader).
const (
	wordFunctions = 0
	wordNames     = 3
	wordAfter     = 4 // what stands behind the names
	wordTable     = 7
	wordsEnd      = 8
)

// Where runtime.moduledata has these, from Go 1.18 on.
const (
	moduleFirst = 160 // minpc
	moduleLast  = 168 // maxpc
	moduleText  = 176 // text
	moduleSize  = 184
)

// IsGo reports whether the file is a Go program or library.
func (f *File) IsGo() bool {
	_, ok := f.functionTable()
	return ok
}

func (f *File) functionTable() (elffile.Section, bool) {
	for _, name := range [...]string{".gopclntab", ".data.rel.ro.gopclntab"} {
		if s, err := f.Section(name); err == nil {
			return s, true
		}
	}
	return elffile.Section{}, false
}

// GoFunction returns the offset in the file of a function of a Go program, by its full
// name such as "crypto/tls.(*Config).writeKeyLog". The table that the runtime needs for
// its stack traces has it, which strip(1) and the linker's flags -s -w leave. A program
// without that function is [ErrNone], a file that is none of Go's [ErrNotGo].
func (f *File) GoFunction(name string) (uint64, error) {
	s, ok := f.functionTable()
	if !ok {
		return 0, ErrNotGo
	}
	offset, err := f.goFunction(s, name)
	if err != nil && !errors.Is(err, ErrNone) {
		err = fmt.Errorf("find %s in the table of functions: %w", name, err)
	}
	return offset, err
}

// table is a Go program's table of functions.
type table struct {
	file  *File
	at    uint64 // its offset in the file
	size  uint64
	addr  uint64
	words [wordsEnd]uint64
}

func (f *File) goFunction(s elffile.Section, name string) (uint64, error) {
	var h [8 + 8*wordsEnd]byte
	if err := f.ReadAt(h[:], s.Offset); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	if m := le.Uint32(h[:]); m != magic118 && m != magic120 {
		return 0, fmt.Errorf("its format is %#x: Go before 1.18, or one that is not known", m)
	}
	if h[7] != 8 {
		return 0, fmt.Errorf("pointers of %d bytes", h[7])
	}
	if s.Size > maxTable {
		return 0, fmt.Errorf("it has %d bytes, more than %d", s.Size, maxTable)
	}
	t := &table{file: f, at: s.Offset, size: s.Size, addr: s.Addr}
	for i := range t.words {
		t.words[i] = le.Uint64(h[8+8*i:])
		if t.words[i] > s.Size && i != 2 { // the third is not used any more
			return 0, errors.New("a part is beyond its end")
		}
	}
	if t.words[wordFunctions] > maxFunctions {
		return 0, fmt.Errorf("%d functions, more than %d", t.words[wordFunctions], maxFunctions)
	}
	at, err := t.name(name)
	if err != nil {
		return 0, err
	}
	entry, first, last, err := t.entry(at)
	if err != nil {
		return 0, err
	}
	text, err := t.text(first, last)
	if err != nil {
		return 0, err
	}
	return f.code(text + entry)
}

// name returns where a name stands among the names of functions.
func (t *table) name(name string) (found uint64, err error) {
	from, to := t.words[wordNames], t.words[wordAfter]
	if from > to {
		return 0, errors.New("no names")
	}
	want := append(append([]byte{0}, name...), 0)
	err = t.file.scan(t.at+from, to-from, uint64(len(want)), 1, func(b []byte, at uint64) bool {
		i := bytes.Index(b, want)
		if i >= 0 {
			found = at + uint64(i) + 1
		}
		return i >= 0
	})
	if err == nil && found == 0 {
		err = ErrNone
	}
	return found, err
}

// entry returns how far behind the begin of all code the function begins whose name
// stands at an offset of the names; and the first and the last such distance of all
// functions.
func (t *table) entry(name uint64) (entry, first, last uint64, err error) {
	n, base := t.words[wordFunctions], t.words[wordTable]
	if n == 0 || base+8*n+4 > t.size {
		return 0, 0, 0, errors.New("no functions")
	}
	list := make([]byte, 8*n+4) // pairs of a distance and the offset of its record, and the end
	if err := t.file.ReadAt(list, t.at+base); err != nil {
		return 0, 0, 0, err
	}
	le := binary.LittleEndian
	first, last = uint64(le.Uint32(list)), uint64(le.Uint32(list[8*n:]))
	w := window{table: t}
	for i := range n {
		distance, record := uint64(le.Uint32(list[8*i:])), uint64(le.Uint32(list[8*i+4:]))
		b, err := w.read(base+record, 8) // entryOff, nameOff
		if err != nil {
			return 0, 0, 0, err
		}
		if uint64(le.Uint32(b[4:])) == name {
			return distance, first, last, nil
		}
	}
	return 0, 0, 0, ErrNone // it is inlined wherever it is called
}

// window reads a table forward, so that no part is read often.
type window struct {
	table *table
	from  uint64
	buf   []byte
}

func (w *window) read(at, n uint64) ([]byte, error) {
	if at+n > w.table.size {
		return nil, errors.New("a function's record is beyond its end")
	}
	if at < w.from {
		return nil, errors.New("its functions' records are out of order")
	}
	if at+n > w.from+uint64(len(w.buf)) {
		w.from = at
		w.buf = make([]byte, max(n, min(64<<10, w.table.size-at)))
		if err := w.table.file.ReadAt(w.buf, w.table.at+at); err != nil {
			return nil, err
		}
	}
	return w.buf[at-w.from:][:n], nil
}

// text returns the address from which the distances of functions count. It is not that of
// the section .text where a C compiler's start code stands before it, nor in the table
// since Go 1.26: runtime.moduledata has it, which points to the table with its first word.
func (t *table) text(first, last uint64) (text uint64, err error) {
	le := binary.LittleEndian
	found, left := false, uint64(maxData)
	for _, s := range t.file.loads {
		skip := (8 - s.Addr%8) % 8
		if s.Flags&elffile.Write == 0 || s.FileBytes < skip || s.FileBytes > left {
			continue
		}
		left -= s.FileBytes
		err := t.file.scan(s.Offset+skip, s.FileBytes-skip, moduleSize, 8, func(b []byte, _ uint64) bool {
			for ; len(b) >= moduleSize && !found; b = b[8:] {
				text = le.Uint64(b[moduleText:])
				found = le.Uint64(b) == t.addr && le.Uint64(b[moduleFirst:]) == text+first && le.Uint64(b[moduleLast:]) == text+last
			}
			return found
		})
		if err != nil || found {
			return text, err
		}
	}
	return t.relocated(first, last)
}

// relocation is one of a program that is mapped anywhere (Elf64_Rela): where, what, the value.
const relocation = 24

// relocated is text of such a program (PIE): the words of its data are in its relocations.
func (t *table) relocated(first, last uint64) (uint64, error) {
	s, err := t.file.Section(".rela.dyn")
	if err != nil {
		s, err = t.file.Section(".rela")
	}
	if err != nil || s.Size > maxData {
		return 0, errors.New("where its code begins is not known")
	}
	le := binary.LittleEndian
	each := func(do func(where, value uint64)) error {
		return t.file.scan(s.Offset, s.Size-s.Size%relocation, relocation, relocation, func(b []byte, _ uint64) bool {
			for ; len(b) >= relocation; b = b[relocation:] {
				do(le.Uint64(b), le.Uint64(b[16:]))
			}
			return false
		})
	}
	var modules []uint64
	values := map[uint64]uint64{}
	err = errors.Join(each(func(where, value uint64) {
		if value == t.addr && len(modules) < maxModules {
			modules = append(modules, where)
		}
	}), each(func(where, value uint64) {
		for _, m := range modules {
			if d := where - m; d == moduleFirst || d == moduleLast || d == moduleText {
				values[where] = value
			}
		}
	}))
	if err != nil {
		return 0, err
	}
	for _, m := range modules {
		text, ok := values[m+moduleText]
		if ok && values[m+moduleFirst] == text+first && values[m+moduleLast] == text+last {
			return text, nil
		}
	}
	return 0, errors.New("where its code begins is not known")
}
