package tlssecrets

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"lodge/internal/helperapi"
)

func TestParseMapping(t *testing.T) {
	for line, want := range map[string]mapping{
		"7f00a000-7f00b000 r-xp 00022000 08:02 1735 /usr/lib/libcrypto.so.3":               {"/usr/lib/libcrypto.so.3", 1735},
		"55e000000000-55e000001000 r-xp 00001000 fe:00 99                        /opt/a b": {"/opt/a b", 99},
		"7f00a000-7f00b000 r--p 00022000 08:02 1735 /usr/lib/libcrypto.so.3":               {},
		"7ffd1000-7ffd2000 r-xp 00000000 00:00 0                          [vdso]":          {},
		"7f00a000-7f00b000 rwxp 00000000 00:00 0 ":                                         {},
		"7f00a000-7f00b000": {},
		"":                  {},
	} {
		if got, ok := parseMapping(line); got != want && ok || ok != (want.path != "") {
			t.Errorf("%q: %+v, %v", line, got, ok)
		}
	}
}

// TestMappings finds the C library of a process of the test's own.
func TestMappings(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	list, err := mappings("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, m := range list {
		found = found || m.path == exe && m.inode != 0
	}
	if !found {
		t.Errorf("%+v has not %s", list, exe)
	}
}

// TestInspect knows the machine's libraries, and this program.
func TestInspect(t *testing.T) {
	look := func(path string, program bool) library {
		f, err := openRegular(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return inspect(f, path, program)
	}
	for pattern, kind := range map[string]helperapi.SecretKind{
		"/usr/lib/*/libcrypto.so.3": helperapi.SecretOpenSSL, "/usr/lib/*/libnettle.so.8": helperapi.SecretGnuTLS,
	} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if l := look(path, false); l.kind != kind || l.offset == 0 {
				t.Errorf("%s: %+v", path, l)
			}
		}
	}
	paths, _ := filepath.Glob("/usr/lib/*/libnss3.so")
	for _, path := range paths {
		if l := look(path, false); l.name != "NSS" || l.kind != "" || !strings.Contains(l.String(), "SSLKEYLOGFILE") {
			t.Errorf("%s: %+v", path, l)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if l := look(exe, false); l.name != "" {
		t.Errorf("a Go program that is not executed: %+v", l)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if l := look(script, true); l.name != "" {
		t.Errorf("a script: %+v", l)
	}
	if _, err := openRegular("/dev/null"); err == nil {
		t.Error("a device is opened")
	}
}

// TestScan finds what is linked into a program, wherever it is cut by the reads.
func TestScan(t *testing.T) {
	text := strings.Repeat("x", 1<<20-4) + "BoringSSL" + strings.Repeat("y", 100)
	for name, r := range map[string]io.Reader{
		"at once": strings.NewReader(text), "by halves": iotest.HalfReader(strings.NewReader(text)),
	} {
		if l := scan(r); l.name != "BoringSSL" {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if l := scan(strings.NewReader("nothing of it")); l.name != "" {
		t.Errorf("%+v", l)
	}
}

// TestWhy holds what is said of a connection without secrets.
func TestWhy(t *testing.T) {
	at := time.Date(2026, 1, 2, 10, 0, 0, 0, time.Local)
	openssl := library{name: "OpenSSL 3", kind: helperapi.SecretOpenSSL}
	p := &Probes{scanned: map[string]library{"/bin/a": {}}, processes: map[int]*process{
		2: {failed: "it had gone before it could be looked at"},
		3: {files: []*file{{path: "/lib/a", library: openssl, probed: at.Add(time.Second)}}},
		4: {files: []*file{{path: "/lib/a", library: openssl, probed: at.Add(-time.Second)}}},
		5: {files: []*file{{path: "/lib/a", library: openssl, refused: "it belongs to user 7"}, {library: library{name: "NSS", why: "no"}}}},
		6: {exe: "/bin/a"},
	}}
	for pid, want := range map[int]string{
		1: "it was not looked at",
		2: "it had gone before it could be looked at",
		3: "OpenSSL 3 is probed since 10:00:01.000, after this connection began",
		4: "OpenSSL 3 is probed since 09:59:59.000, and gave no secret of it",
		5: "OpenSSL 3 in /lib/a is not probed: it belongs to user 7, NSS: no",
		6: "it has no TLS library that is known",
	} {
		if got := p.Why(pid, at); got != want {
			t.Errorf("%d: %q, want %q", pid, got, want)
		}
	}
}
