package elfcode

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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

// FuzzFile holds that any file is read in bounds: the helper reads what users give it.
func FuzzFile(f *testing.F) {
	if exe, err := os.Executable(); err == nil {
		if b, err := os.ReadFile(exe); err == nil {
			f.Add(b[:min(len(b), 8192)])
		}
	}
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
		for _, name := range []string{"gnutls_hkdf_expand", "main", ""} {
			if at, err := file.Exported(name); err == nil && !file.Executable(at) {
				t.Errorf("%s at %#x, which is not executed", name, at)
			}
			if at, err := file.GoFunction(name); err == nil && !file.Executable(at) {
				t.Errorf("%s at %#x, which is not executed", name, at)
			}
		}
	})
}
