package tlssecrets

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
)

func TestParseMapping(t *testing.T) {
	for line, want := range map[string]mapping{
		"7f00a000-7f00b000 r-xp 00022000 08:02 1735 /usr/lib/libcrypto.so.3":               {"/usr/lib/libcrypto.so.3", 1735, "7f00a000-7f00b000"},
		"55e000000000-55e000001000 r-xp 00001000 fe:00 99                        /opt/a b": {"/opt/a b", 99, "55e000000000-55e000001000"},
		"00400000-00401000 r-xp 00000000 08:02 7 /bin/a (deleted)":                         {"/bin/a (deleted)", 7, "400000-401000"},
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
	look := func(path string) library {
		f, err := openRegular(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return inspect(f, path)
	}
	for pattern, kind := range map[string]helperapi.SecretKind{
		"/usr/lib/*/libcrypto.so.3": helperapi.SecretOpenSSL, "/usr/lib/*/libnettle.so.8": helperapi.SecretGnuTLS,
	} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if l := look(path); l.kind != kind || l.offset == 0 {
				t.Errorf("%s: %+v", path, l)
			}
		}
	}
	paths, _ := filepath.Glob("/usr/lib/*/libnss3.so")
	for _, path := range paths {
		if l := look(path); l.name != "NSS" || l.kind != "" || !strings.Contains(l.String(), "SSLKEYLOGFILE") {
			t.Errorf("%s: %+v", path, l)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// This program has no TLS, or it has Go's, whatever it is called.
	again := filepath.Join(t.TempDir(), "lib.so.1")
	if err := os.Link(exe, again); err != nil {
		t.Log(err)
	} else if a, b := look(exe), look(again); a != b {
		t.Errorf("%+v by its name, %+v by another", a, b)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if l := look(script); l.name != "" {
		t.Errorf("a script: %+v", l)
	}
	// Nothing else is opened, which would have an effect.
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err == nil {
		defer unix.Close(watch)
		_, err = unix.InotifyAddWatch(watch, pipe, unix.IN_OPEN)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/dev/null", pipe, t.TempDir(), "/nowhere"} {
		if f, err := openRegular(path); err == nil {
			t.Errorf("%s is opened", f.Name())
		}
	}
	if n, err := unix.Read(watch, make([]byte, 256)); err != unix.EAGAIN {
		t.Errorf("a pipe was opened for a look: %d, %v", n, err)
	}
}

// TestScan finds what is linked into a program, wherever it is cut by the reads.
func TestScan(t *testing.T) {
	later := time.Now().Add(time.Hour)
	text := strings.Repeat("x", 1<<20-4) + "BoringSSL" + strings.Repeat("y", 100)
	for name, r := range map[string]io.Reader{
		"at once": strings.NewReader(text), "by halves": iotest.HalfReader(strings.NewReader(text)),
	} {
		if l := scan(r, later); l.name != "BoringSSL" {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if l := scan(strings.NewReader("nothing of it"), later); l != (library{}) {
		t.Errorf("%+v", l)
	}
	// What has no end is not searched for ever.
	if l := scan(zeros{}, later); l.name != "" || !strings.Contains(l.why, "too large") {
		t.Errorf("%+v", l)
	}
	if l := scan(zeros{}, time.Time{}); !strings.Contains(l.why, "too large") {
		t.Errorf("%+v", l)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestWhy holds what is said of a connection without secrets.
func TestWhy(t *testing.T) {
	at := time.Date(2026, 1, 2, 10, 0, 0, 0, time.Local)
	openssl := library{name: "OpenSSL 3", kind: helperapi.SecretOpenSSL}
	p := &Probes{scanned: map[fileID]library{{1, 1}: {}}, processes: map[int]*process{
		2: {failed: "it had gone before it could be looked at"},
		3: {files: []*file{{path: "/lib/a", library: openssl, probed: at.Add(time.Second)}}},
		4: {files: []*file{{path: "/lib/a", library: openssl, probed: at.Add(-time.Second)}}},
		5: {files: []*file{{path: "/lib/a", library: openssl, refused: "it belongs to user 7"}, {library: library{name: "NSS", why: "no"}}}},
		6: {exe: "/bin/a", exeID: fileID{1, 1}, start: 7},
		7: {exe: "/nowhere/a", exeID: fileID{1, 2}},
		8: {files: []*file{replaced(mapping{path: "/usr/lib/libcrypto.so.3 (deleted)"})}},
	}}
	for pid, want := range map[int]string{
		1: "it was not looked at",
		2: "it had gone before it could be looked at",
		3: "OpenSSL 3 is probed since 10:00:01.000, after this connection began",
		4: "OpenSSL 3 is probed since 09:59:59.000, and gave no secret of it",
		5: "OpenSSL 3 in /lib/a is not probed: it belongs to user 7, NSS: no",
		6: "it has no TLS library that is known",
		7: "it has no TLS library that is known; its program cannot be searched for one any more",
		8: "OpenSSL 3: /usr/lib/libcrypto.so.3 was replaced since the process started, so that only root can probe what it has; start it again",
	} {
		if got := p.Why(pid, 0, at); got != want {
			t.Errorf("%d: %q, want %q", pid, got, want)
		}
	}
	// Another process had that id.
	if got := p.Why(6, 8, at); got != "it had gone before it could be looked at" {
		t.Error(got)
	}
	if got := p.Why(6, 7, at); got != "it has no TLS library that is known" {
		t.Error(got)
	}
	p.scanning = maxScanning
	p.processes[7].exeID = fileID{1, 3}
	if got := p.Why(7, 0, at); got != notSearched {
		t.Error(got)
	}
}
