package stores

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/internal/trust"
)

// rig is a machine in a temporary directory: a root for system paths, a home,
// and an authority.
type rig struct {
	t         *testing.T
	m         Machine
	authority *trust.Authority
}

func newRig(t *testing.T) *rig {
	t.Helper()
	base := t.TempDir()
	r := &rig{t: t, m: Machine{SysRoot: filepath.Join(base, "root"), Home: filepath.Join(base, "home"), Path: os.Getenv("PATH"), Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(base, "home")}}}
	r.mkdir(r.m.SysRoot)
	r.mkdir(r.m.Home)
	a, err := trust.Open(trust.Options{Dir: filepath.Join(base, "trust")})
	if err != nil {
		t.Fatal(err)
	}
	r.authority = a
	return r
}

// needs skips where a program is missing.
func needs(t *testing.T, names ...string) {
	t.Helper()
	for _, p := range names {
		if (programs{path: os.Getenv("PATH")}).find(p) == "" {
			t.Skipf("%s is not installed", p)
		}
	}
}

func (r *rig) mkdir(path string) string {
	r.t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		r.t.Fatal(err)
	}
	return path
}

func (r *rig) write(path string, b []byte) {
	r.t.Helper()
	r.mkdir(filepath.Dir(path))
	if err := os.WriteFile(path, b, 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// debian gives the root what Debian's update-ca-certificates works on, with
// one certificate that is there before.
func (r *rig) debian() {
	r.t.Helper()
	for _, d := range []string{"/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/etc/ssl/certs", "/etc/ca-certificates/update.d"} {
		r.mkdir(sysRoot(r.m.SysRoot).below(d))
	}
	r.write(sysRoot(r.m.SysRoot).below("/usr/share/ca-certificates/first.crt"), r.another())
	r.write(sysRoot(r.m.SysRoot).below("/etc/ca-certificates.conf"), []byte("first.crt\n"))
	w := newWork(r.m, Anchor{}, status)
	c := w.command(w.layout(), false)
	if _, err := w.programs.run(r.t.Context(), w.programs.find(c[0]), c[1:]...); err != nil {
		r.t.Fatal(err)
	}
}

// another is a certificate that is not the authority's, as PEM.
func (r *rig) another() []byte {
	r.t.Helper()
	a, err := trust.Open(trust.Options{Dir: filepath.Join(r.t.TempDir(), "other")})
	if err != nil {
		r.t.Fatal(err)
	}
	return a.PEM()
}

// database makes an NSS database with one certificate that is there before.
func (r *rig) database(dir string) string {
	r.t.Helper()
	r.mkdir(dir)
	r.certutil(dir, "-N", "--empty-password")
	other := filepath.Join(r.t.TempDir(), "other.pem")
	r.write(other, r.another())
	r.certutil(dir, "-A", "-n", "somebody's", "-t", "C,,", "-a", "-i", other)
	return dir
}

func (r *rig) certutil(dir string, args ...string) string {
	r.t.Helper()
	out, err := exec.Command("certutil", append([]string{"-d", "sql:" + dir}, args...)...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("certutil %v: %v: %s", args, err, out)
	}
	return string(out)
}

func (r *rig) anchor() Anchor {
	return Anchor{Root: r.authority.Root(), File: r.authority.RootPath(), Record: trust.ReadRecord(r.authority.Dir()), Dir: r.authority.Dir()}
}

// expect runs an action and compares kind, name and state of its results.
func (r *rig) expect(what string, act func() []Result, want ...string) []Result {
	r.t.Helper()
	results := act()
	var got []string
	for _, x := range results {
		got = append(got, fmt.Sprintf("%s %s: %s", x.Kind, x.Name, x.State))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Errorf("%s: got %q, want %q: %+v", what, got, want, results)
	}
	return results
}

func (r *rig) install(kinds ...Kind) func() []Result {
	return func() []Result { return Install(r.t.Context(), r.m, r.anchor(), kinds) }
}
func (r *rig) uninstall(kinds ...Kind) func() []Result {
	return func() []Result { return Uninstall(r.t.Context(), r.m, r.anchor(), kinds) }
}
func (r *rig) status(kinds ...Kind) func() []Result {
	return func() []Result { return Status(r.t.Context(), r.m, r.anchor(), kinds) }
}

// tree returns every path below a directory with its mode and content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		what := fi.Mode().String()
		switch {
		case fi.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(b)
			what += " " + hex.EncodeToString(sum[:])
		case fi.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			what += " -> " + to
		}
		all[path] = what
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// same holds that a directory is as it was, but for the paths in except.
func same(t *testing.T, before, after map[string]string, except ...string) {
	t.Helper()
	for p, what := range after {
		if before[p] != what && !slices.Contains(except, filepath.Base(p)) {
			t.Errorf("%s: %s, was %q", p, what, before[p])
		}
	}
	for p := range before {
		if _, there := after[p]; !there {
			t.Errorf("%s is gone", p)
		}
	}
}

func TestSystemOfDebian(t *testing.T) {
	needs(t, "update-ca-certificates", "openssl")
	r := newRig(t)
	r.debian()
	before := tree(t, r.m.SysRoot)

	r.expect("status", r.status(System), "system Debian: not there")
	r.expect("uninstall", r.uninstall(System), "system Debian: not there")
	same(t, before, tree(t, r.m.SysRoot))

	results := r.expect("install", r.install(System), "system Debian: done")
	b, err := os.ReadFile(sysRoot(r.m.SysRoot).below("/etc/ssl/certs/ca-certificates.crt"))
	if err != nil || !slices.ContainsFunc(trust.Certificates(b), r.authority.Root().Equal) || len(trust.Certificates(b)) != 2 {
		t.Errorf("the bundle has %d certificates (%v)", len(trust.Certificates(b)), err)
	}
	if fi, err := os.Stat(results[0].Path); err != nil || fi.Mode() != 0o644 {
		t.Errorf("%v, %v", fi, err)
	}
	// What openssl looks for in a directory is a link by the subject's hash.
	if out, err := exec.Command("openssl", "verify", "-CApath", sysRoot(r.m.SysRoot).below("/etc/ssl/certs"), results[0].Path).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	installed := tree(t, r.m.SysRoot)
	r.expect("again", r.install(System), "system Debian: already")
	r.expect("status", r.status(System), "system Debian: installed")
	same(t, installed, tree(t, r.m.SysRoot))

	// An authority that is renewed takes the place of the old one.
	if err := r.authority.Renew(); err != nil {
		t.Fatal(err)
	}
	r.expect("status", r.status(System), "system Debian: not there")
	r.expect("install", r.install(System), "system Debian: done")
	if b, _ := os.ReadFile(sysRoot(r.m.SysRoot).below("/etc/ssl/certs/ca-certificates.crt")); len(trust.Certificates(b)) != 2 {
		t.Errorf("the bundle has %d certificates", len(trust.Certificates(b)))
	}

	r.expect("uninstall", r.uninstall(System), "system Debian: done")
	same(t, before, tree(t, r.m.SysRoot))
	r.expect("uninstall", r.uninstall(System), "system Debian: not there")
}

// TestSystemLayouts holds the paths and names of the distributions whose
// commands are not here.
func TestSystemLayouts(t *testing.T) {
	for _, c := range []struct{ name, proof, dir, ext string }{
		{"Fedora, RHEL", "/etc/pki/ca-trust/source/anchors/.", "/etc/pki/ca-trust/source/anchors", ".pem"},
		{"Arch", "/etc/ca-certificates/trust-source/anchors/.", "/etc/ca-certificates/trust-source/anchors", ".crt"},
		{"openSUSE", "/etc/pki/trust/anchors/.", "/etc/pki/trust/anchors", ".pem"},
		{"Alpine", "/etc/alpine-release", "/usr/local/share/ca-certificates", ".crt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if dir, ok := strings.CutSuffix(c.proof, "/."); ok {
				r.mkdir(sysRoot(r.m.SysRoot).below(dir))
			} else {
				r.write(sysRoot(r.m.SysRoot).below(c.proof), nil)
			}
			before := tree(t, r.m.SysRoot)
			results := r.expect("install", r.install(System), "system "+c.name+": done")
			if dir, ext := filepath.Dir(results[0].Path), filepath.Ext(results[0].Path); dir != sysRoot(r.m.SysRoot).below(c.dir) || ext != c.ext {
				t.Errorf("written to %s", results[0].Path)
			}
			if b, err := os.ReadFile(results[0].Path); err != nil || !bytes.Equal(b, r.authority.PEM()) {
				t.Error(err)
			}
			r.expect("uninstall", r.uninstall(System), "system "+c.name+": done")
			same(t, before, tree(t, r.m.SysRoot))
		})
	}
	t.Run("unknown", func(t *testing.T) {
		r := newRig(t)
		r.expect("install", r.install(System), "system system: not here")
		r.write(sysRoot(r.m.SysRoot).below("/etc/NIXOS"), nil)
		if x := r.expect("install", r.install(System), "system NixOS: not here"); !strings.Contains(x[0].Reason, "security.pki.certificates") {
			t.Error(x[0].Reason)
		}
	})
}

func TestNSS(t *testing.T) {
	needs(t, "certutil")
	r := newRig(t)
	r.m.Path = filepath.Dir((programs{path: r.m.Path}).find("certutil")) + ":" + r.m.Path
	firefox := r.database(filepath.Join(r.m.Home, ".mozilla/firefox/x.default"))
	r.database(filepath.Join(r.m.Home, ".config/mozilla/firefox/new profile"))
	r.database(filepath.Join(r.m.Home, "snap/firefox/common/.mozilla/firefox/s.default"))
	r.database(filepath.Join(r.m.Home, "snap/chromium/7/.pki/nssdb"))
	if err := os.Symlink("7", filepath.Join(r.m.Home, "snap/chromium/current")); err != nil {
		t.Fatal(err)
	}
	r.database(filepath.Join(r.m.Home, ".var/app/org.mozilla.firefox/.mozilla/firefox/f.default"))
	r.database(filepath.Join(r.m.Home, "elsewhere"))
	r.write(filepath.Join(r.m.Home, ".mozilla/firefox/profiles.ini"), []byte("[Profile0]\nName=far\nIsRelative=0\nPath="+filepath.Join(r.m.Home, "elsewhere")+"\n[Profile1]\nName=gone\nIsRelative=1\nPath=gone.default\n"))
	r.mkdir(filepath.Join(r.m.Home, ".local/share/pki/nssdb")) // as Chromium leaves it after its first start
	before := tree(t, r.m.Home)
	list := r.certutil(firefox, "-L")

	each := func(state State) []string {
		s := string(state)
		return []string{"nss Chromium (snap): " + s, "nss Chromium: " + s, "nss Firefox (flatpak): " + s, "nss Firefox (snap): " + s, "nss Firefox: " + s, "nss Firefox: " + s, "nss Firefox: " + s}
	}
	r.expect("status", r.status(NSS), each(Missing)...)
	same(t, before, tree(t, r.m.Home))
	r.expect("install", r.install(NSS), each(Done)...)
	r.expect("again", r.install(NSS), each(Already)...)
	r.expect("status", r.status(NSS), each(Installed)...)
	if out := r.certutil(firefox, "-V", "-u", "L", "-n", r.authority.Root().Subject.CommonName); !strings.Contains(out, "certificate is valid") {
		t.Error(out)
	}
	if exists(filepath.Join(r.m.Home, ".pki")) {
		t.Error("a second database was made, which hides the first")
	}

	// Trust that somebody took away comes back.
	r.certutil(firefox, "-M", "-n", r.authority.Root().Subject.CommonName, "-t", ",,")
	if got := r.status(NSS)(); !slices.ContainsFunc(got, func(x Result) bool { return x.State == Missing }) {
		t.Errorf("%+v", got)
	}
	r.install(NSS)()
	r.expect("status", r.status(NSS), each(Installed)...)

	if err := r.authority.Renew(); err != nil {
		t.Fatal(err)
	}
	r.expect("status", r.status(NSS), each(Missing)...)
	r.expect("install", r.install(NSS), each(Done)...)
	if n := strings.Count(r.certutil(firefox, "-L"), "lodge "); n != 1 {
		t.Errorf("%d of lodge's are there", n)
	}

	r.expect("uninstall", r.uninstall(NSS), each(Done)...)
	if got := r.certutil(firefox, "-L"); got != list {
		t.Errorf("got %s, was %s", got, list)
	}
	// SQLite does not give back the pages of what was deleted, so these files
	// have the same entries and not the same bytes.
	same(t, before, tree(t, r.m.Home), "cert9.db", "key4.db")
	if exists(filepath.Join(r.m.Home, ".local/share/pki/nssdb/cert9.db")) {
		t.Error("the database that was made here is still there")
	}
	if exists(filepath.Join(r.authority.Dir(), noteFile)) {
		t.Error("the note is still there")
	}
}

func TestNSSMadeHere(t *testing.T) {
	needs(t, "certutil")
	r := newRig(t)
	bin := r.mkdir(filepath.Join(r.t.TempDir(), "bin"))
	r.expect("no browser", func() []Result {
		m := r.m
		m.Path = bin
		return Install(t.Context(), m, r.anchor(), []Kind{NSS})
	}, "nss Chromium, Firefox: not here")
	if err := os.WriteFile(filepath.Join(bin, "chromium"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.m.Path = bin + ":" + r.m.Path
	before := tree(t, r.m.Home)
	r.expect("install", r.install(NSS), "nss Chromium: done")
	fi, err := os.Stat(filepath.Join(r.m.Home, ".pki/nssdb"))
	if err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", fi, err)
	}
	r.expect("uninstall", r.uninstall(NSS), "nss Chromium: done")
	same(t, before, tree(t, r.m.Home))

	// A database in which somebody has put something is theirs by now.
	r.expect("install", r.install(NSS), "nss Chromium: done")
	other := filepath.Join(t.TempDir(), "other.pem")
	r.write(other, r.another())
	db := filepath.Join(r.m.Home, ".pki/nssdb")
	r.certutil(db, "-A", "-n", "mine", "-t", "C,,", "-a", "-i", other)
	r.expect("uninstall", r.uninstall(NSS), "nss Chromium: done")
	if out := r.certutil(db, "-L"); !strings.Contains(out, "mine") || strings.Contains(out, "lodge ") {
		t.Error(out)
	}
}

func TestNSSThatCannotBeChanged(t *testing.T) {
	needs(t, "certutil")
	t.Run("primary password", func(t *testing.T) {
		r := newRig(t)
		r.m.Path = "/usr/bin:/bin"
		dir := r.mkdir(filepath.Join(r.m.Home, ".mozilla/firefox/x.default"))
		password := filepath.Join(t.TempDir(), "password")
		r.write(password, []byte("secret\n"))
		r.certutil(dir, "-N", "-f", password)
		for _, x := range r.install(NSS)() {
			if x.Name == "Firefox" && x.State != Done && !(x.State == Failed && x.Reason == "it has a primary password" && strings.HasPrefix(x.Command, "certutil -A ")) {
				t.Errorf("%+v", x)
			}
		}
	})
	t.Run("not a database", func(t *testing.T) {
		r := newRig(t)
		r.write(filepath.Join(r.m.Home, ".mozilla/firefox/x.default/cert9.db"), []byte("this is no SQLite file at all, whatever it is called"))
		x := r.install(NSS)()
		if i := slices.IndexFunc(x, func(x Result) bool { return x.Name == "Firefox" }); i < 0 || x[i].State != Failed || !strings.Contains(x[i].Reason, "certutil") {
			t.Errorf("%+v", x)
		}
	})
	t.Run("another user's", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can give a directory away")
		}
		r := newRig(t)
		dir := r.database(filepath.Join(r.m.Home, ".mozilla/firefox/x.default"))
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		x := r.install(NSS)()
		if i := slices.IndexFunc(x, func(x Result) bool { return x.Name == "Firefox" }); i < 0 || x[i].State != Failed || !strings.Contains(x[i].Reason, "user 65534") {
			t.Errorf("%+v", x)
		}
	})
	t.Run("no certutil", func(t *testing.T) {
		r := newRig(t)
		r.database(filepath.Join(r.m.Home, ".mozilla/firefox/x.default"))
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "apt-get"), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		r.m.Path = bin
		x := r.expect("install", r.install(NSS), "nss Firefox: failed")
		if x[0].Command != "sudo apt-get install libnss3-tools" {
			t.Error(x[0].Command)
		}
		r.expect("uninstall", r.uninstall(NSS), "nss Firefox: not there")
	})
}

func TestJava(t *testing.T) {
	needs(t, "keytool")
	for _, format := range []string{"JKS", "PKCS12"} {
		t.Run(format, func(t *testing.T) {
			r := newRig(t)
			dir := r.mkdir(filepath.Join(r.m.Home, ".sdkman/candidates/java/21/lib/security"))
			store := filepath.Join(dir, "cacerts")
			if err := os.Symlink("21", filepath.Join(r.m.Home, ".sdkman/candidates/java/current")); err != nil {
				t.Fatal(err)
			}
			other := filepath.Join(t.TempDir(), "other.pem")
			r.write(other, r.another())
			keytool(t, "-importcert", "-noprompt", "-alias", "first", "-file", other, "-keystore", store, "-storepass", storePassword, "-storetype", format)
			r.expect("status", r.status(Java), "java Java: not there")
			r.expect("install", r.install(Java), "java Java: done")
			r.expect("again", r.install(Java), "java Java: already")
			r.expect("status", r.status(Java), "java Java: installed")
			if out := keytool(t, "-list", "-keystore", store, "-storepass", storePassword); !strings.Contains(out, "2 entries") || !strings.Contains(out, alias(r.authority.Root())) {
				t.Error(out)
			}
			if err := r.authority.Renew(); err != nil {
				t.Fatal(err)
			}
			r.expect("install", r.install(Java), "java Java: done")
			// What the system's command put there has another name.
			keytool(t, "-changealias", "-alias", alias(r.authority.Root()), "-destalias", "debian:lodge.pem", "-keystore", store, "-storepass", storePassword)
			r.expect("again", r.install(Java), "java Java: already")
			r.expect("uninstall", r.uninstall(Java), "java Java: done")
			if out := keytool(t, "-list", "-keystore", store, "-storepass", storePassword); !strings.Contains(out, "1 entry") || !strings.Contains(out, "first") {
				t.Error(out)
			}
			r.expect("uninstall", r.uninstall(Java), "java Java: not there")
		})
	}
	t.Run("other password", func(t *testing.T) {
		r := newRig(t)
		store := filepath.Join(r.mkdir(filepath.Join(r.m.Home, ".jdks/x/lib/security")), "cacerts")
		other := filepath.Join(t.TempDir(), "other.pem")
		r.write(other, r.another())
		keytool(t, "-importcert", "-noprompt", "-alias", "first", "-file", other, "-keystore", store, "-storepass", "another")
		if x := r.expect("install", r.install(Java), "java Java: failed"); !strings.Contains(x[0].Reason, "password") {
			t.Error(x[0].Reason)
		}
	})
	t.Run("none", func(t *testing.T) {
		r := newRig(t)
		r.expect("install", r.install(Java), "java Java: not here")
	})
}

func keytool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("keytool", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("keytool %v: %v: %s", args, err, out)
	}
	return string(out)
}
