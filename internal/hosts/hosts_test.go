package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func entry(ip string, names ...string) Entry { return Entry{netip.MustParseAddr(ip), names} }

func TestSet(t *testing.T) {
	block := "# lodge begin 1000/ab\n" + note + "\n127.83.20.7 db.shop.test web.shop.test\n# lodge end 1000/ab\n"
	joined := strings.Replace(block, "1000/ab\n", "1000/ab +\n", 1)
	one := []Entry{entry("127.83.20.7", "db.shop.test", "web.shop.test")}
	for _, c := range []struct {
		name, before string
		entries      []Entry
		want         string
	}{
		{"into nothing", "", one, block},
		{"at the end", "127.0.0.1 localhost\n", one, "127.0.0.1 localhost\n" + block},
		{"without a line end", "127.0.0.1 localhost", one, "127.0.0.1 localhost\n" + joined},
		{"replaced", "a\n" + block + "b\n", []Entry{entry("127.83.20.8", "x.test")}, "a\nb\n# lodge begin 1000/ab\n" + note + "\n127.83.20.8 x.test\n# lodge end 1000/ab\n"},
		{"removed", "a\n" + block + "b\n", nil, "a\nb\n"},
		{"removed, without a line end", "a\n" + joined, nil, "a"},
		{"removed, somebody wrote below", "a\n" + joined + "b", nil, "a\nb"},
		{"another owner's stays", strings.ReplaceAll(block, "1000/ab", "1001/cd"), nil, strings.ReplaceAll(block, "1000/ab", "1001/cd")},
		{"twice there", block + "x\n" + block, nil, "x\n"},
		{"without an end", "# lodge begin 1000/ab\n127.0.0.1 mine\n", nil, "127.0.0.1 mine\n"},
		{"another begins before the end", "# lodge begin 1000/ab\n1.1.1.1 x\n" + block, nil, "1.1.1.1 x\n"},
		{"an end alone", "# lodge end 1000/ab\nx\n", nil, "# lodge end 1000/ab\nx\n"},
		{"many names", "", []Entry{entry("127.83.20.7", "a.test", "b.test", "c.test", "d.test", "e.test", "f.test", "g.test")},
			"# lodge begin 1000/ab\n" + note + "\n127.83.20.7 a.test b.test c.test d.test e.test f.test\n127.83.20.7 g.test\n# lodge end 1000/ab\n"},
	} {
		got, err := Set([]byte(c.before), "1000/ab", c.entries)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\ngot  %q\nwant %q", c.name, err, got, c.want)
		}
	}
}

func TestWhatDoesNotFit(t *testing.T) {
	for _, e := range []Entry{
		{}, entry("127.0.0.1"), entry("fe80::1%eth0", "a.test"),
		entry("127.0.0.1", ""), entry("127.0.0.1", "a b.test"), entry("127.0.0.1", "a\n1.2.3.4 bank.example"), entry("127.0.0.1", "A.test"),
		entry("127.0.0.1", "a..test"), entry("127.0.0.1", "-a.test"), entry("127.0.0.1", "a.test#"), entry("127.0.0.1", strings.Repeat("a", 64)+".test"),
	} {
		if got, err := Set(nil, "x", []Entry{e}); err == nil {
			t.Errorf("%+v: %q", e, got)
		}
	}
	for _, owner := range []string{"", "a b", "a\nb", "a+", "ä"} {
		if _, err := Set(nil, owner, nil); err == nil {
			t.Errorf("owner %q is taken", owner)
		}
	}
}

// What lodge adds it can take away, byte for byte, whatever the file holds.
func TestSetIsUndone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.SampledFrom([]string{
			"127.0.0.1 localhost", "", "# comment", "::1 ip6-localhost\r", "# lodge begin other", "# lodge end other", "\t", "x",
		})).Draw(t, "lines")
		text := []byte(strings.Join(lines, "\n") + rapid.SampledFrom([]string{"", "\n"}).Draw(t, "end"))
		with, err := Set(text, "me", []Entry{entry("127.83.20.7", "db.shop.test")})
		if err != nil {
			t.Fatal(err)
		}
		again, err := Set(with, "me", []Entry{entry("127.83.20.9", "db.shop.test", "x.test")})
		if err != nil || !slices.Contains(Owners(again), "me") {
			t.Fatal(err, Owners(again))
		}
		without, err := Set(again, "me", nil)
		if err != nil || !bytes.Equal(without, text) {
			t.Fatalf("%v\ngot  %q\nwant %q", err, without, text)
		}
	})
}

func FuzzSet(f *testing.F) {
	f.Add([]byte("127.0.0.1 localhost\n# lodge begin me\n# lodge end me\n"))
	f.Add([]byte("# lodge begin me +\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Set(text, "me", nil)
		if err != nil || len(got) > len(text)+1 || slices.Contains(Owners(got), "me") {
			t.Errorf("%v: %q gives %q", err, text, got)
		}
	})
}

func TestFileKeepsItsModeAndOwner(t *testing.T) {
	f := File{filepath.Join(t.TempDir(), "hosts")}
	if err := os.WriteFile(f.Path, []byte("127.0.0.1 localhost\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := f.Set("me", []Entry{entry("127.83.20.7", "db.shop.test")}); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(f.Path)
	if err != nil || fi.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
	if err := f.Remove(func(o string) bool { return o == "me" }); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(f.Path); err != nil || string(b) != "127.0.0.1 localhost\n" {
		t.Errorf("%q, %v", b, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(f.Path), ".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestAtOnce(t *testing.T) {
	f := File{filepath.Join(t.TempDir(), "hosts")}
	const text = "127.0.0.1 localhost\n"
	if err := os.WriteFile(f.Path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				owner := fmt.Sprint("o", i)
				if err := f.Set(owner, []Entry{entry("127.83.20.7", fmt.Sprintf("s%d.test", i))}); err != nil {
					t.Error(err)
				}
				if b, err := os.ReadFile(f.Path); err != nil || !slices.Contains(Owners(b), owner) {
					t.Errorf("%s lost its block: %v", owner, err)
				}
				if err := f.Set(owner, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if b, err := os.ReadFile(f.Path); err != nil || string(b) != text {
		t.Errorf("%q, %v", b, err)
	}
}

// In containers /etc/hosts is a mount point: it cannot be replaced.
func TestAMountPoint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount in a private namespace")
	}
	if os.Getenv("HOSTS_TEST_MOUNT") == "" {
		cmd := exec.Command("unshare", "--mount", os.Args[0], "-test.run=^TestAMountPoint$", "-test.v")
		cmd.Env = append(os.Environ(), "HOSTS_TEST_MOUNT=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("--- PASS: TestAMountPoint")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	f := File{filepath.Join(dir, "hosts")}
	real := filepath.Join(dir, "real")
	for _, p := range []string{f.Path, real} {
		if err := os.WriteFile(p, []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount(real, f.Path, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(f.Path, unix.MNT_DETACH)
	if err := f.Set("me", []Entry{entry("127.83.20.7", "db.shop.test")}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(real)
	if err != nil || !bytes.Contains(b, []byte("127.83.20.7 db.shop.test\n")) {
		t.Errorf("%q, %v", b, err)
	}
	if err := f.Set("me", nil); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(real); err != nil || string(b) != "127.0.0.1 localhost\n" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestNoFile(t *testing.T) {
	f := File{filepath.Join(t.TempDir(), "none")}
	if err := f.Set("me", nil); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "change ") {
		t.Errorf("got %v", err)
	}
}
