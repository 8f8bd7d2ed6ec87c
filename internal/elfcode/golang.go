package elfcode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrNotGo is the error of a file that is no Go program, or of which that cannot be told
// any more because it has no section headers.
var ErrNotGo = errors.New("no Go program")

// The bounds of what is read of a Go program.
const (
	maxFunctions = 1 << 22
	maxNames     = 256 << 20
	maxData      = 256 << 20
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

func (f *File) functionTable() (section, bool) {
	for _, name := range []string{".gopclntab", ".data.rel.ro.gopclntab"} {
		if s, ok := f.section(name); ok {
			return s, true
		}
	}
	return section{}, false
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

func (f *File) goFunction(s section, name string) (uint64, error) {
	var h [8 + 8*wordsEnd]byte
	if err := f.readAt(h[:], s.offset); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	if m := le.Uint32(h[:]); m != magic118 && m != magic120 {
		return 0, fmt.Errorf("its format is %#x: Go before 1.18, or one that is not known", m)
	}
	if h[7] != 8 {
		return 0, fmt.Errorf("pointers of %d bytes", h[7])
	}
	t := &table{file: f, at: s.offset, size: s.size, addr: s.addr}
	for i := range t.words {
		t.words[i] = le.Uint64(h[8+8*i:])
		if t.words[i] > s.size && i != 2 { // the third is not used any more
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
func (t *table) name(name string) (uint64, error) {
	from, to := t.words[wordNames], t.words[wordAfter]
	if from > to || to-from > maxNames {
		return 0, errors.New("no names")
	}
	want := append(append([]byte{0}, name...), 0)
	buf := make([]byte, 256<<10)
	for at := from; at < to; at += uint64(len(buf) - len(want)) {
		b := buf[:min(uint64(len(buf)), to-at)]
		if err := t.file.readAt(b, t.at+at); err != nil {
			return 0, err
		}
		if i := bytes.Index(b, want); i >= 0 {
			return at + uint64(i) + 1 - from, nil
		}
	}
	return 0, ErrNone
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
	if err := t.file.readAt(list, t.at+base); err != nil {
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

// window reads a table forward.
type window struct {
	table *table
	from  uint64
	buf   []byte
}

func (w *window) read(at, n uint64) ([]byte, error) {
	if at+n > w.table.size {
		return nil, errors.New("a function's record is beyond its end")
	}
	if at < w.from || at+n > w.from+uint64(len(w.buf)) {
		w.from = at
		w.buf = make([]byte, max(n, min(64<<10, w.table.size-at)))
		if err := w.table.file.readAt(w.buf, w.table.at+at); err != nil {
			return nil, err
		}
	}
	return w.buf[at-w.from:][:n], nil
}

// text returns the address from which the distances of functions count. It is not that of
// the section .text where a C compiler's start code stands before it, nor in the table
// since Go 1.26: runtime.moduledata has it, which points to the table with its first word.
func (t *table) text(first, last uint64) (uint64, error) {
	for _, s := range t.file.loads {
		if s.flags&flagWrite == 0 || s.fileSize > maxData {
			continue
		}
		b := make([]byte, s.fileSize)
		if err := t.file.readAt(b, s.offset); err != nil {
			return 0, err
		}
		for at := (8 - s.addr%8) % 8; at+moduleSize <= uint64(len(b)); at += 8 {
			le := binary.LittleEndian
			text := le.Uint64(b[at+moduleText:])
			if le.Uint64(b[at:]) == t.addr && le.Uint64(b[at+moduleFirst:]) == text+first && le.Uint64(b[at+moduleLast:]) == text+last {
				return text, nil
			}
		}
	}
	return t.relocated(first, last)
}

// relocated is text of a program that is mapped anywhere (PIE): the words of its data are
// in its relocations.
func (t *table) relocated(first, last uint64) (uint64, error) {
	const size = 24 // Elf64_Rela: where, what, the value
	s, ok := t.file.section(".rela.dyn")
	if !ok {
		s, ok = t.file.section(".rela")
	}
	if !ok || s.size > maxData {
		return 0, errors.New("where its code begins is not known")
	}
	b := make([]byte, s.size-s.size%size)
	if err := t.file.readAt(b, s.offset); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	var modules []uint64
	for r := b; len(r) > 0; r = r[size:] {
		if le.Uint64(r[16:]) == t.addr && len(modules) < maxModules {
			modules = append(modules, le.Uint64(r))
		}
	}
	values := map[uint64]uint64{}
	for r := b; len(r) > 0; r = r[size:] {
		where := le.Uint64(r)
		for _, m := range modules {
			if d := where - m; d == moduleFirst || d == moduleLast || d == moduleText {
				values[where] = le.Uint64(r[16:])
			}
		}
	}
	for _, m := range modules {
		text, ok := values[m+moduleText]
		if ok && values[m+moduleFirst] == text+first && values[m+moduleLast] == text+last {
			return text, nil
		}
	}
	return 0, errors.New("where its code begins is not known")
}
