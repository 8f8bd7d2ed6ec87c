package hostsview

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lodge/internal/home"
)

func TestMain(m *testing.M) {
	if os.Args[0] == ShimName {
		fmt.Fprintln(os.Stderr, "lodge:", ShimMain(os.Args, os.Environ()))
		os.Exit(127)
	}
	os.Exit(m.Run())
}

// see runs a shell script that sees text as its hosts file.
func see(t *testing.T, text, script string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	attr := &syscall.SysProcAttr{}
	c := Wrap(home.Command{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Hosts: file}, exe, attr)
	out, err := (&exec.Cmd{Path: c.Path, Args: c.Args, Env: os.Environ(), SysProcAttr: attr}).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func possible(t *testing.T) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := Probe(exe); err != nil {
		t.Skip("no private hosts file here: ", err)
	}
}

func TestAProgramSeesItsOwnHosts(t *testing.T) {
	possible(t)
	before, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	got := see(t, "127.83.20.7 db.shop.test\n", `cat /etc/hosts; getent ahostsv4 db.shop.test | head -1; id -u; grep -E "CapEff|CapAmb" /proc/self/status; sh -c "cat /etc/hosts"`)
	if strings.Count(got, "127.83.20.7 db.shop.test\n") != 2 || !strings.Contains(got, "127.83.20.7     STREAM db.shop.test") ||
		!strings.Contains(got, fmt.Sprintf("\n%d\n", os.Getuid())) {
		t.Errorf("got %s", got)
	}
	if os.Getuid() != 0 && !strings.Contains(got, "CapEff:\t0000000000000000\nCapAmb:\t0000000000000000") {
		t.Errorf("it has capabilities: %s", got)
	}
	after, err := os.ReadFile("/etc/hosts")
	if err != nil || string(after) != string(before) {
		t.Error("the machine's hosts file changed", err)
	}
}

func TestWithoutHostsNothingChanges(t *testing.T) {
	attr := &syscall.SysProcAttr{}
	c := Wrap(home.Command{Path: "/bin/true", Args: []string{"true"}}, "/lodge", attr)
	if c.Path != "/bin/true" || len(c.Args) != 1 || attr.Cloneflags != 0 {
		t.Errorf("%+v, %+v", c, attr)
	}
}

func TestTheShimSaysWhatIsWrong(t *testing.T) {
	for _, args := range [][]string{{ShimName}, {ShimName, "a", "b"}} {
		if err := ShimMain(args, nil); err == nil || !strings.Contains(err.Error(), "started by lodge only") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// An ordinary user needs a user namespace, root does not: both are tried.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root: this is an ordinary user already")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test's directory is root's alone.
	bin := filepath.Join(t.TempDir(), "hostsview.test")
	for p := filepath.Dir(bin); p != "/" && strings.Contains(p, "TestAsOrdinaryUser"); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(exe)
	if err == nil {
		err = os.WriteFile(bin, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-test.v", "-test.run", "TestAProgramSeesItsOwnHosts|TestWithoutHosts")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=/tmp"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skip("no user namespaces for ordinary users here")
	}
}
