package cli

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lodge/internal/cli/clitest"
	"lodge/internal/cli/kit"
	"lodge/internal/trust"
)

// updateGolden writes the golden files anew: go test ./internal/cli -update.

// trustShell returns a shell whose home has a Firefox, and a root directory for
// system paths like Debian's.
func trustShell(t *testing.T) (sh *shell, root string) {
	t.Helper()
	sh = newShell(t)
	programs := filepath.Join(sh.base, "bin")
	if err := os.Mkdir(programs, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"certutil", "update-ca-certificates", "openssl", "curl", "sh", "sed", "sort", "find", "mktemp", "ln", "rm", "mv", "chmod", "wc", "readlink", "basename", "cat", "mkdir", "run-parts", "test"} {
		path, err := exec.LookPath(p)
		if err != nil {
			path, err = exec.LookPath("/usr/sbin/" + p)
		}
		if err != nil {
			t.Skipf("%s is not installed", p)
		}
		if err := os.Symlink(path, filepath.Join(programs, p)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(programs, "chromium"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	sh.env[0] = "PATH=" + programs
	root = filepath.Join(sh.base, "root")
	for _, d := range []string{"usr/share/ca-certificates", "usr/local/share/ca-certificates", "etc/ssl/certs", "etc/ca-certificates/update.d"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	other, err := trust.Open(trust.Options{Dir: filepath.Join(t.TempDir(), "other")})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"usr/share/ca-certificates/first.crt": other.PEM(), "etc/ca-certificates.conf": []byte("first.crt\n")} {
		if err := os.WriteFile(filepath.Join(root, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	below := func(path string) string { return filepath.Join(root, path) }
	c := exec.Command(filepath.Join(programs, "update-ca-certificates"), "--certsconf", below("etc/ca-certificates.conf"), "--certsdir", below("usr/share/ca-certificates"),
		"--localcertsdir", below("usr/local/share/ca-certificates"), "--etccertsdir", below("etc/ssl/certs"), "--hooksdir", below("etc/ca-certificates/update.d"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return sh, root
}

// paths returns all paths below a directory.
func paths(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTrust(t *testing.T) {
	sh, root := trustShell(t)
	before := paths(t, sh.base)
	var said strings.Builder
	do := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := sh.run(append([]string{"trust", "--root", root}, args...)...)
		said.WriteString("$ lodge trust " + strings.Join(args, " ") + "\n" + stdout + stderr)
		if code != 0 {
			said.WriteString("exit status " + string('0'+byte(code)) + "\n")
		}
		return stdout
	}
	do("--status")
	do("--status", "--json")
	do()
	do()
	do("--status")
	text := do("--status", "--json")
	do("--renew", "--only", "nss")
	do("--status")
	do("--only", "system,nss", "--json")
	do("--uninstall", "--only", "nss")
	do("--uninstall")
	do("--uninstall")
	clitest.Golden(t, "trust.golden", []byte(normal(said.String(), sh.base)))
	for _, p := range paths(t, sh.base) {
		// The shell's own input, and the state directory, stay.
		if !slices.Contains(before, p) && !strings.HasPrefix(filepath.Base(p), "in") && p != filepath.Join(sh.base, "state") && p != filepath.Join(sh.base, "state/lodge") {
			t.Errorf("left: %s", p)
		}
	}

	var report struct {
		Authority struct {
			Fingerprint string `json:"fingerprint_sha256"`
		} `json:"authority"`
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil || len(report.Authority.Fingerprint) != 64 {
		t.Errorf("%v: %s", err, text)
	}
}

// normal takes out of an output what differs from run to run.
func normal(s, base string) string {
	s = strings.ReplaceAll(s, base, "BASE")
	for _, r := range []struct{ pattern, to string }{
		{`lodge [^ "\n]+@[^ "\n]+ [0-9a-f]{8}`, "lodge ann@host 01234567"},
		{`\b[0-9a-f]{64}\b`, "FINGERPRINT"},
		{`lodge-[0-9a-f]{16}`, "lodge-0123456789abcdef"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "TIME"},
		{`\b\d{4}-\d\d-\d\d\b`, "DATE"},
	} {
		s = regexp.MustCompile(r.pattern).ReplaceAllString(s, r.to)
	}
	return s
}

// golden compares with a file in testdata.

func TestTrustPEM(t *testing.T) {
	sh := newShell(t)
	code, first, stderr := sh.run("trust", "--pem")
	certs := trust.Certificates([]byte(first))
	if code != 0 || stderr != "" || len(certs) != 1 || !strings.HasPrefix(first, "-----BEGIN CERTIFICATE-----\n") || !strings.HasSuffix(first, "-----END CERTIFICATE-----\n") {
		t.Fatalf("%d, %s, %s", code, first, stderr)
	}
	if again := sh.ok("trust", "--pem"); again != first {
		t.Error("another one")
	}
	if !slices.Equal(certs[0].PermittedDNSDomains, []string{"localhost", "test"}) {
		t.Error(certs[0].PermittedDNSDomains)
	}
}

func TestTrustCheck(t *testing.T) {
	sh, _ := trustShell(t)
	code, stdout, stderr := sh.run("trust", "--check", "--json")
	var report struct {
		Clients []struct{ Client, State, Reason, Hint string }
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != kit.ExitNotDone {
		t.Fatalf("%d, %v: %s%s", code, err, stdout, stderr)
	}
	one(t, stderr, "check trust: ", "run the commands above")
	states := map[string]string{}
	for _, c := range report.Clients {
		states[c.Client] = c.State
	}
	for client, want := range map[string]string{"curl": "not_trusted", "openssl": "not_trusted", "chromium": "could_not_tell", "node": "not_installed", "firefox": "not_installed"} {
		if states[client] != want {
			t.Errorf("%s: %q", client, states[client])
		}
	}
	if _, stdout, _ := sh.run("trust", "--check"); !strings.Contains(stdout, "-> lodge trust --only system") {
		t.Errorf("got %s", stdout)
	}
}

func TestTrustOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	sh := newShell(t)
	dir := filepath.Join(sh.base, "state/lodge/trust")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := sh.run("trust", "--pem")
	if code != kit.ExitNotDone || stdout != "" {
		t.Errorf("%d, %q", code, stdout)
	}
	one(t, stderr, "belongs to another user (65534)", "set XDG_STATE_HOME")
}
