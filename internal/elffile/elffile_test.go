package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const limit = 1 << 20

// header is what a section header says.
type header struct{ name, kind, flags, offset, size uint64 }

// image returns an ELF file with a section of names and one called .x, whose header edit
// changes: name, kind, flags, offset and size.
func image(order binary.AppendByteOrder, wide bool, content string, edit func(h *header)) []byte {
	names := "\x00.names\x00.x\x00"
	start, length := uint64(52), 40
	if wide {
		start, length = 64, 64
	}
	put := func(b []byte, n uint64) []byte { // a field whose size is the class's
		if wide {
			return order.AppendUint64(b, n)
		}
		return order.AppendUint32(b, uint32(n))
	}
	b := []byte{0x7f, 'E', 'L', 'F', 1, 1, 1, 15: 0}
	if wide {
		b[4] = 2
	}
	if order.String() == "BigEndian" {
		b[5] = 2
	}
	b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 2), 62), 1) // ET_EXEC, a machine, version
	b = put(put(put(b, 0), 0), start+uint64(len(names)+len(content)))           // entry, program headers, section headers
	b = order.AppendUint32(b, 0)
	for _, n := range []int{int(start), 0, 0, length, 3, 1} {
		b = order.AppendUint16(b, uint16(n))
	}
	b = append(append(b, names...), content...)
	x := header{name: 8, kind: 1, offset: start + uint64(len(names)), size: uint64(len(content))}
	if edit != nil {
		edit(&x)
	}
	for _, h := range []header{{}, {name: 1, kind: 3, offset: start, size: uint64(len(names))}, x} {
		b = order.AppendUint32(order.AppendUint32(b, uint32(h.name)), uint32(h.kind))
		b = put(put(put(put(b, h.flags), 0), h.offset), h.size)
		b = order.AppendUint32(order.AppendUint32(b, 0), 0)
		b = put(put(b, 1), 0)
	}
	return b
}

// every calls f for both classes and byte orders.
func every(t *testing.T, f func(t *testing.T, order binary.AppendByteOrder, wide bool)) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for name, wide := range map[string]bool{"32": false, "64": true} {
			t.Run(order.String()+name, func(t *testing.T) { f(t, order, wide) })
		}
	}
}

func TestRead(t *testing.T) {
	every(t, func(t *testing.T, order binary.AppendByteOrder, wide bool) {
		b := image(order, wide, "the content", nil)
		e, err := elf.NewFile(bytes.NewReader(b)) // the image itself is well formed
		if err != nil || e.Section(".x") == nil {
			t.Fatalf("debug/elf: %v, %v", e, err)
		}
		if got, err := ReadSection(bytes.NewReader(b), ".x", limit); err != nil || string(got) != "the content" {
			t.Errorf("%q, %v", got, err)
		}
		for _, name := range []string{"", ".y", ".", ".xx"} {
			if got, err := ReadSection(bytes.NewReader(b), name, limit); name != "" && !errors.Is(err, ErrNone) {
				t.Errorf("%q: %q, %v", name, got, err)
			}
		}
	})
}

func TestReadMalformed(t *testing.T) {
	every(t, func(t *testing.T, order binary.AppendByteOrder, wide bool) {
		for _, c := range []struct {
			edit func(h *header)
			want string
		}{
			{func(h *header) { h.kind = typeNoBits }, "it has no bytes in the file"},
			{func(h *header) { h.flags = flagCompressed }, "it is compressed"},
			{func(h *header) { h.size = limit + 1 }, "more than 1048576"},
			{func(h *header) { h.size = 4096 }, io.ErrUnexpectedEOF.Error()},
			{func(h *header) { h.offset = 1<<32 - 1 }, io.ErrUnexpectedEOF.Error()},
			{func(h *header) { h.name = 1<<32 - 1 }, ErrNone.Error()},
		} {
			b := image(order, wide, "the content", c.edit)
			if got, err := ReadSection(bytes.NewReader(b), ".x", limit); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, %v, want %s", got, err, c.want)
			}
		}
		whole := image(order, wide, "the content", nil)
		for n := range len(whole) {
			if got, err := ReadSection(bytes.NewReader(whole[:n]), ".x", limit); err == nil {
				t.Fatalf("the first %d of %d bytes: %q", n, len(whole), got)
			}
		}
		// Where the header says that there are no section headers.
		at, count, size := 32, 48, 46
		if wide {
			at, count, size = 40, 60, 58
		}
		none := bytes.Clone(whole)
		clear(none[at : at+4])
		if wide {
			clear(none[at : at+8])
		}
		clear(none[count : count+2])
		if _, err := ReadSection(bytes.NewReader(none), ".x", limit); !errors.Is(err, ErrNone) {
			t.Errorf("without section headers: %v", err)
		}
		for _, edit := range []func(b []byte){
			func(b []byte) { clear(b[count : count+2]) },            // the number stands elsewhere
			func(b []byte) { b[size], b[size+1] = 0, 0 },            // headers of no bytes
			func(b []byte) { b[size], b[size+1] = 0xff, 0xff },      // of very many
			func(b []byte) { b[count], b[count+1] = 0xfe, 0xfe },    // more headers than there is file
			func(b []byte) { b[count+2], b[count+3] = 0xff, 0xff },  // the names are in no section
			func(b []byte) { b[at], b[at+1] = b[at+1]^1, b[at]^1 },  // headers elsewhere
			func(b []byte) { b[4] = 3 },                             // an unknown class
			func(b []byte) { b[5] = 0 },                             // an unknown byte order
			func(b []byte) { b[0] = 0 },                             // another kind of file
			func(b []byte) { copy(b[at:], "\xff\xff\xff\xff\xff") }, // beyond any file
		} {
			b := bytes.Clone(whole)
			edit(b)
			if got, err := ReadSection(bytes.NewReader(b), ".x", limit); err == nil {
				t.Errorf("%q", got)
			}
		}
	})
}

// Every section of real programs is read as debug/elf reads it: this test's own, which is
// a Go program, and those of the system, which are stripped, dynamic and position-independent.
func TestReadPrograms(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	small := filepath.Join(t.TempDir(), "small")
	source := small + ".go"
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", small, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, path := range []string{own, small, "/bin/sh", "/bin/ls"} {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) && strings.HasPrefix(path, "/bin/") {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		e, err := elf.NewFile(f)
		if err != nil {
			t.Fatal(err)
		}
		compared := 0
		for _, s := range e.Sections {
			if s.Type == elf.SHT_NULL || s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0 || s != e.Section(s.Name) {
				continue
			}
			want, err := s.Data()
			if err != nil {
				t.Fatal(err)
			}
			got, err := ReadSection(f, s.Name, len(want))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: section %s: %d bytes, %v, want %d", path, s.Name, len(got), err, len(want))
			}
			compared++
		}
		compareSegments(t, path, e)
		if _, err := ReadSection(f, ".go.buildinfo", limit); (err == nil) != (path == own || path == small) {
			t.Errorf("%s: build information: %v", path, err)
		}
		if compared < 5 {
			t.Errorf("%s: only %d sections", path, compared)
		}
	}
}

// compareSegments compares a file's segments with those that debug/elf reads.
func compareSegments(t *testing.T, path string, e *elf.File) {
	t.Helper()
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := Open(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Segments()
	if err != nil || len(got) != len(e.Progs) || len(got) == 0 || elf.Type(f.Kind) != e.Type {
		t.Fatalf("%s: %d segments, %v, want %d; kind %d", path, len(got), err, len(e.Progs), f.Kind)
	}
	for i, p := range e.Progs {
		want := Segment{Kind: uint32(p.Type), Flags: uint32(p.Flags), Offset: p.Off, Addr: p.Vaddr, FileBytes: p.Filesz}
		if got[i] != want {
			t.Errorf("%s: segment %d: %+v, want %+v", path, i, got[i], want)
		}
	}
}

func TestSegmentsMalformed(t *testing.T) {
	every(t, func(t *testing.T, order binary.AppendByteOrder, wide bool) {
		at, size, place := 28, 42, 32
		if wide {
			at, size, place = 32, 54, 56
		}
		whole := image(order, wide, "the content", nil)
		program := make([]byte, place)
		for i := range program {
			program[i] = 0xff
		}
		put := func(n int, length, count uint16) *File {
			b := append(bytes.Clone(whole), program...)
			header := order.AppendUint16(order.AppendUint16(nil, length), count)
			copy(b[size:], header)
			clear(b[at : at+4])
			if wide {
				copy(b[at:at+8], order.AppendUint64(nil, uint64(n)))
			} else {
				copy(b[at:at+4], order.AppendUint32(nil, uint32(n)))
			}
			f, err := Open(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		for name, f := range map[string]*File{
			"beyond the file":    put(len(whole)+place, uint16(place), 1),
			"of no bytes":        put(len(whole), 0, 1),
			"of many bytes":      put(len(whole), 4096, 1),
			"too many":           put(len(whole), uint16(place), maxSegments+1),
			"beyond any address": put(len(whole), uint16(place), 1),
		} {
			got, err := f.Segments()
			if name == "beyond any address" && !wide {
				if err != nil || len(got) != 1 { // within 64 bits
					t.Errorf("%s: %v, %v", name, got, err)
				}
			} else if err == nil {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, wide := range []bool{false, true} {
		f.Add(image(binary.LittleEndian, wide, "the content", nil))
		f.Add(image(binary.BigEndian, wide, "the content", nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := ReadSection(bytes.NewReader(b), ".x", 64); err == nil && (len(got) > 64 || !bytes.Contains(b, got)) {
			t.Errorf("%q is not in the file", got)
		}
		if file, err := Open(bytes.NewReader(b)); err == nil {
			list, _ := file.Segments()
			for _, s := range list {
				if s.Offset+s.FileBytes < s.Offset || s.Addr+s.FileBytes < s.Addr {
					t.Errorf("%+v", s)
				}
			}
		}
	})
}
