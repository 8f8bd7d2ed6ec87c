package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWebUser(t *testing.T) {
	for _, tc := range []struct{ name, sudo, want string }{
		{"", "", ""}, {"", "0", ""}, {"", "x", ""}, {"", "1000\nExecStart=x", ""},
		{"", "1000", " --web-user 1000"},
	} {
		got, err := webUserFlag(tc.name, tc.sudo)
		if err != nil || got != tc.want {
			t.Errorf("%q, %q: %q, %v", tc.name, tc.sudo, got, err)
		}
	}
	for _, name := range []string{"no such user", "root", "0"} {
		if got, err := webUserFlag(name, "1000"); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestSetupNamesTheWebUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	root := t.TempDir()
	sh := newShell(t)
	sh.env = append(sh.env, "SUDO_UID=1000")
	if code, _, stderr := sh.run("setup", "--root", root); code != 0 {
		t.Fatalf("%d, %s", code, stderr)
	}
	b, err := os.ReadFile(filepath.Join(root, setupService))
	if err != nil || !strings.Contains(string(b), "helper --systemd --hosts /etc/hosts --web-user 1000\n") {
		t.Errorf("%v\n%s", err, b)
	}
}
