package stores

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"lodge/internal/trust"
)

// ordinary is what an ordinary user's run is told.
type ordinary struct {
	Machine   Machine
	Dir       string // the authority's
	Uninstall bool
}

// TestMain also is an ordinary user that runs Install or Uninstall and prints
// the results.
func TestMain(m *testing.M) {
	text := os.Getenv("STORES_TEST_ORDINARY")
	if text == "" {
		os.Exit(m.Run())
	}
	var o ordinary
	err := json.Unmarshal([]byte(text), &o)
	var a *trust.Authority
	if err == nil {
		a, err = trust.Open(trust.Options{Dir: o.Dir})
	}
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	anchor := Anchor{Root: a.Root(), File: a.RootPath(), Record: trust.ReadRecord(o.Dir), Dir: o.Dir}
	ctx, act := context.Background(), Install
	if o.Uninstall {
		act = Uninstall
	}
	_ = json.NewEncoder(os.Stdout).Encode(act(ctx, o.Machine, anchor, []Kind{System, Java}))
}

// TestWhatNeedsRoot lets an ordinary user install and uninstall, and does as
// root what comes back as a command.
func TestWhatNeedsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it needs an ordinary user beside root")
	}
	needs(t, "update-ca-certificates", "keytool")
	r := newRig(t)
	base, err := os.MkdirTemp("", "ordinary") // t.TempDir is root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	self := filepath.Join(base, "stores.test")
	if err := os.WriteFile(self, exe, 0o755); err != nil {
		t.Fatal(err)
	}
	root := r.mkdir(filepath.Join(base, "root"))
	home := r.mkdir(filepath.Join(base, "home"))
	for _, err := range []error{os.Chmod(base, 0o755), os.Chown(home, 65534, 65534)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r.m.SysRoot, r.m.Home = root, home
	r.debian()
	cacerts := filepath.Join(sysRoot(r.m.SysRoot).below("/usr/lib/jvm/j 1/lib/security"), "cacerts")
	r.mkdir(filepath.Dir(cacerts))
	other := filepath.Join(t.TempDir(), "other.pem")
	r.write(other, r.another())
	keytool(t, "-importcert", "-noprompt", "-alias", "first", "-file", other, "-keystore", cacerts, "-storepass", storePassword)
	dir := filepath.Join(home, "trust")

	as := func(uninstall bool) []Result {
		t.Helper()
		text, err := json.Marshal(ordinary{r.m, dir, uninstall})
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command(self)
		c.Env = []string{"PATH=" + r.m.Path, "STORES_TEST_ORDINARY=" + string(text)}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		c.Stderr = os.Stderr
		out, err := c.Output()
		var results []Result
		if err == nil {
			err = json.Unmarshal(out, &results)
		}
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return results
	}
	// obey gives the commands to a shell in which sudo and lodge are there.
	obey := func(results []Result) {
		t.Helper()
		for _, x := range results {
			if x.State != NeedsRoot || x.Command == "" {
				t.Fatalf("%+v", x)
			}
			c := exec.Command("sh", "-ec", "sudo() { \"$@\"; }\nlodge() { [ \"$*\" = 'trust --pem' ] && cat "+quote(filepath.Join(dir, "root.pem"))+"; }\n"+x.Command)
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", x.Command, err, out)
			}
		}
	}
	before := tree(t, root)
	first := as(false)
	same(t, before, tree(t, root))
	obey(first)
	for _, x := range as(false) {
		if x.State != Already {
			t.Errorf("after its command: %+v", x)
		}
	}
	b, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
	if err != nil || len(trust.Certificates(b)) != 2 {
		t.Errorf("%v: %s", err, b)
	}
	obey(as(true))
	for _, x := range as(true) {
		if x.State != Missing {
			t.Errorf("after its command: %+v", x)
		}
	}
	same(t, before, tree(t, root), "cacerts")
	if out := keytool(t, "-list", "-keystore", cacerts, "-storepass", storePassword); !strings.Contains(out, "1 entry") {
		t.Error(out)
	}
	if !slices.ContainsFunc(first, func(x Result) bool { return strings.HasPrefix(x.Command, "lodge trust --pem | sudo tee ") }) {
		t.Errorf("%+v", first)
	}
}
