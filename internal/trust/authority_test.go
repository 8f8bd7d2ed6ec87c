package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain also is a process that opens the authority in the directory that
// the environment names, for tests that need several.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TRUST_TEST_OPEN"); dir != "" {
		a, err := Open(Options{Dir: dir})
		if err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString(Fingerprint(a.Root()))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, dir string, now func() time.Time) *Authority {
	t.Helper()
	a, err := Open(Options{Dir: dir, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestFirstUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep/trust")
	if _, err := Look(Options{Dir: dir}); !errors.Is(err, ErrNone) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("looking made the directory")
	}
	a := open(t, dir, nil)
	m := a.material()
	for _, c := range []struct {
		cert    *x509.Certificate
		pathLen int
	}{{m.root, 1}, {m.signer, 0}} {
		if err := constrained(c.cert); err != nil {
			t.Error(err)
		}
		if c.cert.MaxPathLen != c.pathLen || c.cert.KeyUsage != x509.KeyUsageCertSign {
			t.Errorf("%s: path length %d, usage %b", c.cert.Subject, c.cert.MaxPathLen, c.cert.KeyUsage)
		}
		if !slices.Equal(c.cert.Subject.Organization, []string{Marker}) || !strings.HasPrefix(c.cert.Subject.CommonName, "lodge ") || len(c.cert.Subject.CommonName) > 64 {
			t.Errorf("subject %s", c.cert.Subject)
		}
	}
	own := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		own = 0o711
	}
	for name, mode := range map[string]fs.FileMode{".": own, authorityFile: 0o600, rootFile: 0o644, recordFile: 0o600} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, fi.Mode(), err)
		}
	}
	// The root's key is nowhere: what is kept is the signer's.
	b, err := os.ReadFile(filepath.Join(dir, authorityFile))
	if err != nil || bytes.Count(b, []byte("PRIVATE KEY-----")) != 2 {
		t.Errorf("%v, %s", err, b)
	}
	if pub := m.key.PublicKey; pub.Equal(m.root.PublicKey) || !pub.Equal(m.signer.PublicKey) {
		t.Error("the key is not the signer's")
	}
	if len(a.Warnings()) > 0 {
		t.Error(a.Warnings())
	}

	again := open(t, dir, nil)
	if !again.Root().Equal(a.Root()) || !bytes.Equal(again.PEM(), a.PEM()) {
		t.Error("opened again, it is another")
	}
	looked, err := Look(Options{Dir: dir})
	if err != nil || !looked.Root().Equal(a.Root()) {
		t.Errorf("looked at, it is another (%v)", err)
	}
	if pem, err := os.ReadFile(a.RootPath()); err != nil || !bytes.Equal(pem, a.PEM()) {
		t.Errorf("root.pem: %v", err)
	}
	if err := os.Remove(a.RootPath()); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil)
	if _, err := os.Stat(a.RootPath()); err != nil {
		t.Error("root.pem does not come back")
	}
}

func TestManyAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]string, 24)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			if i%3 == 0 {
				c := exec.Command(exe)
				c.Env = append(os.Environ(), "TRUST_TEST_OPEN="+dir)
				out, err := c.CombinedOutput()
				got[i] = string(out)
				if err != nil {
					t.Errorf("process: %v: %s", err, out)
				}
				return
			}
			a, err := Open(Options{Dir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = Fingerprint(a.Root())
		})
	}
	wg.Wait()
	for _, f := range got {
		if f != got[0] {
			t.Fatalf("there are several: %v", got)
		}
	}
	if n := len(readRoots(dir)); n != 1 {
		t.Errorf("%d were made", n)
	}
	noHalves(t, dir)
}

func noHalves(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("left: %s", e.Name())
		}
	}
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	good := open(t, filepath.Join(t.TempDir(), "good"), nil)
	whole, err := good.material().encode()
	if err != nil {
		t.Fatal(err)
	}
	other := open(t, filepath.Join(t.TempDir(), "other"), nil).material()
	mixed, err := (&material{root: other.root, signer: good.material().signer, key: good.material().key}).encode()
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := (&material{root: good.material().root, signer: good.material().signer, key: other.key}).encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":          {nil, "it is not one key and two certificates"},
		"half":           {whole[:len(whole)/2], "no PEM"},
		"cut in a block": {whole[:len(whole)-40], "no PEM"},
		"binary":         {bytes.Repeat([]byte{0, 0xff}, 500), "no PEM"},
		"too long":       {bytes.Repeat(whole, 50), "larger than 64 KiB"},
		"another root":   {mixed, "not signed by the root"},
		"another key":    {foreign, "the key is not the signer's"},
		"unconstrained":  {unconstrained(t), "its names are not constrained"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, authorityFile)
			if err := os.WriteFile(path, c.b, 0o600); err != nil {
				t.Fatal(err)
			}
			a, err := Open(Options{Dir: dir})
			if name == "too long" { // nothing of lodge's is that long: do not touch it
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if w := a.Warnings(); len(w) != 1 || !strings.Contains(w[0], c.want) || !strings.Contains(w[0], "lodge trust") {
				t.Errorf("warnings: %q", w)
			}
			aside, _ := filepath.Glob(path + ".unusable-*")
			if len(aside) != 1 {
				t.Fatalf("set aside: %v", aside)
			}
			if b, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(b, c.b) {
				t.Error("what was set aside has changed")
			}
			if again := open(t, dir, nil); !again.Root().Equal(a.Root()) || len(again.Warnings()) > 0 {
				t.Error("the new one is not taken")
			}
		})
	}
}

// unconstrained is what a person may put there: an authority for all names.
func unconstrained(t *testing.T) []byte {
	t.Helper()
	m, err := makeMaterial("ann@host", "00", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	template := authorityTemplate("lodge", "00", 1, time.Now())
	template.PermittedDNSDomains, template.PermittedDNSDomainsCritical = nil, false
	if m.root, err = sign(template, template, m.key.Public(), m.key); err != nil {
		t.Fatal(err)
	}
	template.MaxPathLen, template.MaxPathLenZero = 0, true
	if m.signer, err = sign(template, m.root, m.key.Public(), m.key); err != nil {
		t.Fatal(err)
	}
	b, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhoseFileItIs(t *testing.T) {
	t.Run("mode", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "trust")
		first := open(t, dir, nil)
		if err := errors.Join(os.Chmod(filepath.Join(dir, authorityFile), 0o644), os.Chmod(dir, 0o777)); err != nil {
			t.Fatal(err)
		}
		a := open(t, dir, nil)
		if w := a.Warnings(); len(w) != 1 || !strings.Contains(w[0], "mode 0644") {
			t.Errorf("warnings: %q", w)
		}
		if fi, _ := os.Stat(filepath.Join(dir, authorityFile)); fi.Mode().Perm() != 0o600 || !a.Root().Equal(first.Root()) {
			t.Errorf("mode %v", fi.Mode())
		}
		if fi, _ := os.Stat(dir); fi.Mode().Perm()&0o022 != 0 {
			t.Errorf("mode of the directory %v", fi.Mode())
		}
	})
	t.Run("link", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink("/dev/zero", filepath.Join(dir, authorityFile)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Dir: dir}); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no file", func(t *testing.T) {
		dir := t.TempDir()
		if err := syscall.Mkfifo(filepath.Join(dir, authorityFile), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("owner", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can give a file away")
		}
		for _, name := range []string{authorityFile, "."} {
			dir := filepath.Join(t.TempDir(), "trust")
			open(t, dir, nil)
			if err := os.Chown(filepath.Join(dir, name), 65534, 65534); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(Options{Dir: dir}); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "65534") {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

func TestExpiry(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	now := time.Now()
	a := open(t, dir, func() time.Time { return now })
	first := a.Root()
	leaves := a.Leaves(func(string) bool { return true })
	now = now.Add(authorityLife - time.Hour)
	c := get(t, leaves, "web.shop.localhost")
	if c.Leaf.NotAfter.After(first.NotAfter) {
		t.Error("a leaf outlives its signer")
	}
	if get(t, leaves, "web.shop.localhost") != c {
		t.Error("a leaf that cannot be longer is made at each handshake")
	}
	now = now.Add(2 * time.Hour)
	// The one that runs takes a new authority, too.
	if c := get(t, leaves, "web.shop.localhost"); c.Leaf.CheckSignatureFrom(a.material().signer) != nil || a.Root().Equal(first) {
		t.Error("the old authority goes on")
	}
	if w := a.Warnings(); len(w) != 1 || !strings.Contains(w[0], "expired on") {
		t.Errorf("warnings: %q", w)
	}
	// A clock that is wrong makes no new one.
	if early := open(t, dir, func() time.Time { return time.Unix(0, 0) }); !early.Root().Equal(a.Root()) || get(t, early.Leaves(func(string) bool { return true }), "localhost") == nil {
		t.Error("replaced by a clock that is behind")
	}
	r := ReadRecord(dir)
	if len(r.Roots()) != 2 || !r.Ours(first) || !r.Ours(a.Root()) {
		t.Errorf("the record has %d", len(r.Roots()))
	}
	if _, err := Look(Options{Dir: dir, Now: func() time.Time { return now.Add(2 * authorityLife) }}); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
}

func TestRenewedElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	now := time.Now()
	running := open(t, dir, func() time.Time { return now })
	leaves := running.Leaves(func(string) bool { return true })
	before := get(t, leaves, "localhost")
	other := open(t, dir, nil)
	if err := other.Renew(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	after := get(t, leaves, "localhost")
	if before == after || !running.Root().Equal(other.Root()) {
		t.Error("the running one has not followed")
	}
	// Taken away altogether, there is a new one.
	if err := Forget(dir); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	get(t, leaves, "localhost")
	if running.Root().Equal(other.Root()) {
		t.Error("the running one has not followed")
	}
}

func TestForget(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "trust")
	if err := Forget(dir); err != nil {
		t.Fatalf("nothing there: %v", err)
	}
	a := open(t, dir, nil)
	if _, err := a.env(nil, []string{bundleOf(t, 2)}); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{".authority.pem-123", "authority.pem.unusable-then"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root := a.Root()
	if err := Forget(dir); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(parent); len(left) > 0 {
		left, _ = os.ReadDir(dir)
		t.Errorf("left: %v", left)
	}
	// Without the record, the subject still tells; another directory's does not.
	if !ReadRecord(dir).Ours(root) || ReadRecord(parent).Ours(root) {
		t.Error("the subject does not tell whose it is")
	}
	// What is not lodge's stays.
	open(t, dir, nil)
	if err := os.WriteFile(filepath.Join(dir, "notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Forget(dir); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

// TestFullDisk opens on a disk of a few kilobytes, in a mount namespace of its
// own.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// tmpfs counts pages: one for the record, and none for the authority.
	script := `mount -t tmpfs -o size=8k,mode=700 tmpfs "$1" && mkdir "$1/trust" && head -c 4096 /dev/zero >"$1/fill" &&
TRUST_TEST_OPEN="$1/trust" "$2"; echo "status $?"; ls -A "$1/trust"; rm "$1/fill"; TRUST_TEST_OPEN="$1/trust" "$2" >/dev/null && echo again`
	c := exec.Command("sh", "-c", script, "sh", dir, exe)
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // private: see syscall.forkAndExecInChild
	out, err := c.CombinedOutput()
	text := string(out)
	if !strings.Contains(text, "no space left on device") || !strings.Contains(text, "status 1") {
		t.Fatalf("%v: %s", err, text)
	}
	if strings.Contains(text, ".authority") || strings.Contains(text, ".roots") {
		t.Errorf("a half is left: %s", text)
	}
	if strings.Contains(text, "PRIVATE") {
		t.Error("the key was printed")
	}
}
