package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
	b, err := os.ReadFile(filepath.Join(root, "etc/systemd/system/lodge-helper.service"))
	if err != nil || !strings.Contains(string(b), "helper --systemd --hosts /etc/hosts --web-user 1000\n") {
		t.Errorf("%v\n%s", err, b)
	}
}

// The directory of the program goes with it, unless it has anything else.
func TestUninstallLeavesNoDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, others := range []bool{false, true} {
		root := t.TempDir()
		dir := filepath.Dir(filepath.Join(root, "usr/local/libexec/lodge-helper"))
		sh := newShell(t)
		if code, _, stderr := sh.run("setup", "--root", root); code != 0 {
			t.Fatalf("setup: %d, %s", code, stderr)
		}
		if others {
			if err := os.WriteFile(filepath.Join(dir, "other"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // the second has nothing to do
			if code, _, stderr := sh.run("setup", "--uninstall", "--root", root); code != 0 {
				t.Fatalf("setup --uninstall: %d, %s", code, stderr)
			}
		}
		if _, err := os.Stat(dir); (err == nil) != others {
			t.Errorf("another program in %s %t: %v", dir, others, err)
		}
	}
}
