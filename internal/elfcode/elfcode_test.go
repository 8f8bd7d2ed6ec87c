package elfcode

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

// of returns where debug/elf finds a function in the file.
func of(t *testing.T, path, name string, dynamic bool) uint64 {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := f.Symbols()
	if dynamic {
		list, err = f.DynamicSymbols()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Name != name || s.Section == elf.SHN_UNDEF {
			continue
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_LOAD && s.Value >= p.Vaddr && s.Value < p.Vaddr+p.Filesz {
				return s.Value - p.Vaddr + p.Off
			}
		}
	}
	t.Fatalf("%s has no %s", path, name)
	return 0
}

func open(t *testing.T, path string) *File {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	f, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestExported finds functions of the machine's libraries where debug/elf finds them.
func TestExported(t *testing.T) {
	found := 0
	for pattern, names := range map[string][]string{
		"/usr/lib/*/libcrypto.so.3": {"EVP_KDF_derive", "SSL_read_no", "OPENSSL_init_crypto"},
		"/usr/lib/*/libnettle.so.8": {"nettle_hkdf_expand", "nettle_sha256_init"},
		"/usr/lib/*/libc.so.6":      {"malloc", "getpid"},
	} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			found++
			f := open(t, path)
			for _, name := range names {
				got, err := f.Exported(name)
				if name == "SSL_read_no" {
					if !errors.Is(err, ErrNone) {
						t.Errorf("%s: a function that is not there: %d, %v", path, got, err)
					}
					continue
				}
				if err != nil || got != of(t, path, name, true) {
					t.Errorf("%s: %s at %#x, %v", path, name, got, err)
				}
				if !f.Executable(got) || f.Executable(0) || f.Executable(1<<40) {
					t.Errorf("%s: what is executed is not known", path)
				}
			}
			if f.IsGo() {
				t.Errorf("%s is a Go program", path)
			}
		}
	}
	if found == 0 {
		t.Skip("no library that is known is installed")
	}
}

// TestGoFunction finds a function of Go programs, stripped and not, in whatever way they
// are linked, where their tables of symbols have it.
func TestGoFunction(t *testing.T) {
	const name = "crypto/tls.(*Config).writeKeyLog"
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nimport \"crypto/tls\"\n\nfunc main() { _, _ = tls.Dial(\"tcp\", \"\", nil) }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for variant, args := range map[string][]string{
		"plain": nil, "pie": {"-buildmode=pie"}, "trimmed": {"-trimpath", "-gcflags=all=-l"},
	} {
		build := func(out string, more ...string) string {
			out = filepath.Join(dir, out)
			cmd := exec.Command("go", append(append(append([]string{"build", "-o", out}, args...), more...), source)...)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod")
			if b, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", variant, err, b)
			}
			return out
		}
		whole := build(variant)
		stripped := build(variant+"-stripped", "-ldflags=-s -w")
		want := of(t, whole, name, false)
		got, err := open(t, whole).GoFunction(name)
		if err != nil || got != want {
			t.Errorf("%s: at %#x, %v, want %#x", variant, got, err, want)
		}
		f := open(t, stripped)
		at, err := f.GoFunction(name)
		if err != nil {
			t.Errorf("%s, stripped: %v", variant, err)
			continue
		}
		// Both begin with the same instructions.
		if a, b := code(t, whole, want), code(t, stripped, at); !bytes.Equal(a[:16], b[:16]) {
			t.Errorf("%s, stripped: %x, want %x", variant, b, a)
		}
		if _, err := f.GoFunction("crypto/tls.(*Config).none"); !errors.Is(err, ErrNone) {
			t.Errorf("%s: a function that is not there: %v", variant, err)
		}
		if !f.IsGo() {
			t.Errorf("%s is no Go program", variant)
		}
	}
}

func code(t *testing.T, path string, offset uint64) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 16)
	if _, err := f.ReadAt(b, int64(offset)); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNoFile(t *testing.T) {
	for name, b := range map[string]string{"empty": "", "text": "#!/bin/sh\n", "cut": "\x7fELF\x02\x01\x01"} {
		if _, err := Open(bytes.NewReader([]byte(b))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// sparse is a file that is zero but for its begin, and says how much of it was read.
type sparse struct {
	begin []byte
	size  int64
	words map[int64]byte // bytes that are not zero
	read  int64
}

func (s *sparse) ReadAt(b []byte, at int64) (int, error) {
	n := min(int64(len(b)), max(s.size-at, 0))
	s.read += n
	clear(b[:n])
	if at < int64(len(s.begin)) {
		copy(b[:n], s.begin[at:])
	}
	for where, v := range s.words {
		if where >= at && where < at+n {
			b[where-at] = v
		}
	}
	if n < int64(len(b)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// goFile returns a file that says that it is a Go program: with a table of functions of
// some size, and as many segments of data as there can be. record is where a function's
// record is.
func goFile(size, tableSize, functions uint64, record func(i uint64) uint32) *sparse {
	le := binary.LittleEndian
	const segments, sections = 512, 3
	b := make([]byte, 64)
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2)
	le.PutUint64(b[32:], 64)
	le.PutUint64(b[40:], 64+segments*56)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], segments)
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], sections)
	le.PutUint16(b[62:], 1)
	for range segments {
		h := make([]byte, 56)
		le.PutUint32(h, 1)     // PT_LOAD
		le.PutUint32(h[4:], 2) // PF_W
		le.PutUint64(h[32:], size)
		b = append(b, h...)
	}
	names := "\x00.gopclntab\x00.rela.dyn\x00"
	start := uint64(len(b) + sections*64)
	section := func(name, offset, size uint64) {
		h := make([]byte, 64)
		le.PutUint32(h, uint32(name))
		le.PutUint64(h[16:], 1<<44)
		le.PutUint64(h[24:], offset)
		le.PutUint64(h[32:], size)
		b = append(b, h...)
	}
	section(1, start+4096, tableSize)
	section(0, start, uint64(len(names)))
	section(12, 0, size)
	b = append(b, names...)
	b = append(b, make([]byte, start+4096-uint64(len(b)))...)
	const wanted = 4096 // where the names begin
	table := make([]byte, 72)
	le.PutUint32(table, magic120)
	table[7] = 8
	le.PutUint64(table[8:], functions)
	le.PutUint64(table[8+8*wordNames:], wanted)
	le.PutUint64(table[8+8*wordAfter:], wanted+64)
	le.PutUint64(table[8+8*wordTable:], wanted+64)
	table = append(append(table, make([]byte, wanted-len(table))...), "\x00\x00wanted\x00"...)
	table = append(table, make([]byte, wanted+64-len(table))...)
	for i := range functions {
		table = le.AppendUint32(le.AppendUint32(table, uint32(i)), record(i))
	}
	table = le.AppendUint32(table, 7) // the end of the last one
	return &sparse{begin: append(b, table...), size: int64(size)}
}

// TestBounded: what is read of a file that means harm has bounds.
func TestBounded(t *testing.T) {
	const most = 1 << 30
	for name, tc := range map[string]struct {
		size, table, functions uint64
		record                 func(i uint64) uint32
		want                   string
	}{
		"records here and there":  {1 << 40, 200 << 20, 1 << 16, func(i uint64) uint32 { return uint32(i%2*(100<<20) + 1<<20) }, "out of order"},
		"records far apart":       {1 << 40, 256 << 20, 1 << 16, func(i uint64) uint32 { return uint32(i*3000 + 1<<20) }, "no such function"},
		"a large table":           {1 << 40, 1 << 39, 1, func(uint64) uint32 { return 16 }, "more than"},
		"large data":              {1 << 40, 1 << 20, 1, func(uint64) uint32 { return 16 }, "not known"},
		"as much data as allowed": {64 << 20, 1 << 20, 1, func(uint64) uint32 { return 16 }, "not known"},
	} {
		r := goFile(tc.size, tc.table, tc.functions, tc.record)
		if tc.functions == 1 { // the function is found, so that its address is looked for
			at := int64(len(r.begin)) - 4 - 8 + 16
			r.words = map[int64]byte{at + 4: 2}
		}
		f, err := Open(r)
		if err != nil {
			t.Fatal(name, ": ", err)
		}
		if _, err := f.GoFunction("wanted"); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if r.read > most {
			t.Errorf("%s: %d bytes were read", name, r.read)
		}
	}
}

// FuzzFile holds that any file is read in bounds: the helper reads what users give it.
func FuzzFile(f *testing.F) {
	if exe, err := os.Executable(); err == nil {
		if b, err := os.ReadFile(exe); err == nil {
			f.Add(b[:min(len(b), 8192)])
		}
	}
	small := goFile(1<<20, 1<<16, 2, func(i uint64) uint32 { return uint32(i*16 + 32) })
	f.Add(small.begin)
	paths, _ := filepath.Glob("/usr/lib/*/libgnutls*.so.*")
	for _, path := range paths {
		if b, err := os.ReadFile(path); err == nil && len(b) < 64<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Open(bytes.NewReader(b))
		if err != nil {
			return
		}
		for _, name := range []string{"gnutls_hkdf_expand", "wanted", "main", ""} {
			if at, err := file.Exported(name); err == nil && !file.Executable(at) {
				t.Errorf("%s at %#x, which is not executed", name, at)
			}
			if at, err := file.GoFunction(name); err == nil && !file.Executable(at) {
				t.Errorf("%s at %#x, which is not executed", name, at)
			}
		}
	})
}
