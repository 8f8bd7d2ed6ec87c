package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// snapshot is what `lodge setup` could leave: files, cgroups, units, addresses
// and processes, one a line.
func snapshot(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, root := range []string{"/etc", "/usr/local", "/run", "/var/lib", "/sys/fs/cgroup", "/sys/fs/bpf"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // gone while it was read
			}
			// Of what others install there may be much, further down.
			deep := (root == "/usr/local" || root == "/var/lib") && strings.Count(path, "/") > 4
			if systemdsOwn(path) || deep {
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
			if root == "/sys/fs/cgroup" && !d.IsDir() {
				return nil // the kernel's files
			}
			line := path + " " + d.Type().String()
			if d.Type().IsRegular() && root == "/etc" {
				if b, err := os.ReadFile(path); err == nil {
					sum := sha256.Sum256(b)
					line += " " + hex.EncodeToString(sum[:8])
				}
			}
			out = append(out, line)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, argv := range [][]string{
		{"systemctl", "list-unit-files", "--no-pager", "--no-legend", "lodge*"},
		{"systemctl", "list-units", "--all", "--no-pager", "--no-legend", "--plain", "lodge*"},
		{"ip", "-brief", "address", "show", "dev", "lo"},
	} {
		b, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil && len(b) > 0 {
			t.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, b)
		}
		for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
			if l != "" {
				out = append(out, argv[0]+": "+l)
			}
		}
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		exe, _ := os.Readlink(d + "/exe")
		if strings.Contains(exe, "lodge") && !strings.HasSuffix(exe, ".test") {
			out = append(out, "process "+exe)
		}
	}
	slices.Sort(out)
	return out
}

// systemdsOwn reports whether a path changes on any machine with systemd.
func systemdsOwn(path string) bool {
	for _, p := range []string{"/run/systemd", "/run/log", "/run/udev", "/run/dbus", "/run/utmp", "/run/initctl", "/run/credentials", "/var/lib/systemd", "/etc/ld.so.cache"} {
		if path == p || strings.HasPrefix(path, p+"/") {
			return !strings.Contains(path, "lodge")
		}
	}
	// Units of systemd itself come and go, with their cgroups.
	return strings.HasPrefix(path, "/sys/fs/cgroup/system.slice/") && strings.Count(path, "/") >= 5 && !strings.Contains(path, "lodge") && !strings.Contains(path, "trial.service")
}

// differences lists the lines that only one of two sorted lists has.
func differences(before, after []string) []string {
	var out []string
	for _, l := range after {
		if _, ok := slices.BinarySearch(before, l); !ok {
			out = append(out, "+ "+l)
		}
	}
	for _, l := range before {
		if _, ok := slices.BinarySearch(after, l); !ok {
			out = append(out, "- "+l)
		}
	}
	return out
}
