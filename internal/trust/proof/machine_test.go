package proof

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"lodge/internal/trust"
	"lodge/internal/trust/stores"
)

// searchPath has what Debian's packages install, and nothing of a person's.
const searchPath = "/usr/bin:/bin:/usr/sbin:/sbin"

// disguise gives the test a mount namespace in which the stores of the system
// are copies and nothing else can be written but its own directory, so that
// real programs can trust a real store without a change to the machine.
const disguise = `
cp -a /etc/ssl "$1/ssl"
cp -a /usr/local/share/ca-certificates "$1/local"
mkdir "$1/hooks" "$1/tmp" "$1/home"
mount --bind "$1" "$1"
mount --bind "$1/ssl" /etc/ssl
mount --bind "$1/local" /usr/local/share/ca-certificates
mount --bind "$1/hooks" /etc/ca-certificates/update.d
mount -o remount,bind,ro /
update-ca-certificates --fresh >/dev/null
exec "$2" -test.v -test.run '^TestInDisguise$'
`

// TestThisMachine installs the authority as a person would, and lets every
// client that is installed prove it; then it takes it out again.
func TestThisMachine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has a mount namespace with other stores in it")
	}
	for _, p := range []string{"update-ca-certificates", "certutil", "keytool", "curl", "openssl"} {
		if find(searchPath, p) == "" {
			t.Skipf("%s is not installed", p)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "proof") // t.TempDir is root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-ec", disguise, "sh", dir, exe)
	c.Env = []string{"PATH=" + searchPath, "HOME=" + filepath.Join(dir, "home"), "TMPDIR=" + filepath.Join(dir, "tmp"), "PROOF_TEST_DIR=" + dir}
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // private: see syscall.forkAndExecInChild
	out, err := c.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: TestInDisguise") {
		t.Error(err)
	}
}

// TestInDisguise is TestThisMachine's other half.
func TestInDisguise(t *testing.T) {
	dir := os.Getenv("PROOF_TEST_DIR")
	if dir == "" {
		t.Skip("it runs within TestThisMachine")
	}
	if err := os.WriteFile("/etc/lodge-test", nil, 0o600); err == nil {
		t.Fatal("the machine can be written to")
	}
	home := filepath.Join(dir, "home")
	profile := filepath.Join(home, ".config/mozilla/firefox/x.default")
	if err := os.MkdirAll(profile, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("certutil", "-N", "-d", "sql:"+profile, "--empty-password").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	before := snapshot(t, "/etc/ssl", "/usr/local/share/ca-certificates", home)
	// Where every user may look, so that services of root's get all variables.
	if err := os.Mkdir(filepath.Join(dir, "trust"), 0o755); err != nil {
		t.Fatal(err)
	}
	authority, err := trust.Open(trust.Options{Dir: filepath.Join(dir, "trust")})
	if err != nil {
		t.Fatal(err)
	}
	machine := stores.Machine{SysRoot: "/", Home: home, Path: searchPath, Environ: os.Environ()}
	anchor := stores.Anchor{Root: authority.Root(), File: authority.RootPath(), Record: trust.ReadRecord(authority.Dir()), Dir: authority.Dir()}
	inside, err := authority.Env(os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Authority: authority, Home: home, Path: searchPath, Environ: os.Environ(), Inside: inside}

	expect := func(when string, want func(client string) (State, State)) {
		t.Helper()
		results, err := Run(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			t.Logf("%s: %s: %s, inside: %s: %s", when, r.Client, r.State, r.Inside, r.Reason)
			if r.State == NotInstalled {
				continue
			}
			if state, in := want(r.Client); r.State != state || r.Inside != in {
				t.Errorf("%s: %s: %s, inside: %s (%s)", when, r.Client, r.State, r.Inside, r.Reason)
			}
			if (r.State == NotTrusted) != (r.Hint != "") || (r.State == Trusted) != (r.Reason == "") {
				t.Errorf("%+v", r)
			}
		}
	}
	none := func(client string) (State, State) {
		switch client {
		case "curl", "openssl", "python3", "python3 requests", "node": // a project's services trust it anyway
			return NotTrusted, Trusted
		}
		return NotTrusted, NotTrusted
	}
	expect("before", none)
	for _, r := range stores.Install(t.Context(), machine, anchor, stores.Kinds()) {
		if r.State != stores.Done {
			t.Errorf("install: %+v", r)
		}
	}
	expect("installed", func(client string) (State, State) {
		if client == "node" {
			return NotTrusted, Trusted // it has a list of its own
		}
		return Trusted, Trusted
	})
	for _, r := range stores.Uninstall(t.Context(), machine, anchor, stores.Kinds()) {
		if r.State != stores.Done {
			t.Errorf("uninstall: %+v", r)
		}
	}
	after := snapshot(t, "/etc/ssl", "/usr/local/share/ca-certificates", home)
	for _, p := range append(keysOf(before), keysOf(after)...) {
		switch filepath.Base(p) {
		case "cacerts", "cert9.db", "key4.db": // written anew by keytool and SQLite, with the same entries: stores' tests hold that
			continue
		}
		if before[p] != after[p] {
			t.Errorf("%s: %q, was %q", p, after[p], before[p])
		}
	}
	expect("uninstalled", none)
}

func keysOf(m map[string]string) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// snapshot returns every path below the directories with its mode and content.
func snapshot(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			what := d.Type().String()
			switch {
			case d.Type().IsRegular():
				b, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				sum := sha256.Sum256(b)
				what += hex.EncodeToString(sum[:])
			case d.Type()&fs.ModeSymlink != 0:
				to, _ := os.Readlink(path)
				what += to
			}
			all[path] = what
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}
