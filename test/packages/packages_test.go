package packages

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// version is what `git describe` could say, and number what packages make of it.
const version, number = "v1.2.3-4-gabcdef0", "1.2.3+4.gabcdef0"

// run runs a program, and returns its output.
func run(t *testing.T, env []string, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(argv, " "), err, out, stderr.String())
	}
	return string(out)
}

func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is missing (test/install installs it)", p)
		}
	}
}

// TestPackages builds the packages once, for all that is tested of them.
func TestPackages(t *testing.T) {
	need(t, "make", "dpkg", "rpm", "man")
	if os.Getuid() != 0 {
		t.Skip("needs root: files of packages belong to root")
	}
	dist := t.TempDir()
	run(t, nil, "../..", "make", "-s", "package", "VERSION="+version, "DIST="+dist)
	arch := strings.TrimSpace(run(t, nil, "", "go", "env", "GOARCH"))
	var found []string
	for _, pattern := range []string{"lodge_" + number + "_" + arch + ".deb", "lodge-" + number + "-1.*.rpm", "lodge-" + version + "-linux-" + arch + ".tar.gz"} {
		m, err := filepath.Glob(filepath.Join(dist, pattern))
		if err != nil || len(m) != 1 {
			t.Fatalf("%s: %q, %v", pattern, m, err)
		}
		found = append(found, m[0])
	}
	t.Run("deb", func(t *testing.T) { testDeb(t, found[0]) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, found[1]) })
	t.Run("tar", func(t *testing.T) { testTar(t, found[2]) })
}

func testDeb(t *testing.T, file string) {
	control := run(t, nil, "", "dpkg-deb", "--info", file)
	for _, want := range []string{"Package: lodge\n", "Version: " + number + "\n", "Description: give every"} {
		if !strings.Contains(control, want) {
			t.Errorf("no %q in\n%s", want, control)
		}
	}
	for _, script := range []string{"preinst", "postinst", "prerm", "postrm", "Depends:"} {
		if strings.Contains(control, script) {
			t.Errorf("it has %s:\n%s", script, control)
		}
	}
	for line := range strings.Lines(run(t, nil, "", "dpkg-deb", "--contents", file)) {
		want := "-rw-r--r-- root/root"
		switch {
		case strings.HasSuffix(line, "/\n"):
			want = "drwxr-xr-x root/root"
		case strings.Contains(line, " ./usr/bin/"):
			want = "-rwxr-xr-x root/root"
		}
		if !strings.HasPrefix(line, want) {
			t.Errorf("want %s: %s", want, line)
		}
	}

	root := t.TempDir()
	admin := filepath.Join(root, "var/lib/dpkg")
	if err := os.MkdirAll(filepath.Join(admin, "info"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(admin, "updates"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"status", "available"} {
		if err := os.WriteFile(filepath.Join(admin, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dpkg := []string{"dpkg", "--root=" + root, "--log=/dev/null"}
	run(t, nil, "", append(dpkg, "--install", file)...)
	if got := run(t, nil, "", append(dpkg, "--verify", "lodge")...); got != "" {
		t.Errorf("dpkg --verify: %s", got)
	}
	use(t, filepath.Join(root, "usr"))
	useDocuments(t, filepath.Join(root, "usr"), ".gz")
	for _, name := range []string{"copyright", "changelog.gz"} {
		if _, err := os.Stat(filepath.Join(root, "usr/share/doc/lodge", name)); err != nil {
			t.Error(err)
		}
	}
	run(t, nil, "", append(dpkg, "--purge", "lodge")...)
	if left := files(t, root, "var"); len(left) > 0 {
		t.Errorf("removed, and still there: %q", left)
	}
}

func testRPM(t *testing.T, file string) {
	list := strings.Fields(run(t, nil, "", "rpm", "-qlp", file))
	for _, want := range []string{"/usr/bin/lodge", "/usr/bin/lodged", "/usr/bin/lodge-keeper", "/usr/bin/lodge-helper", "/usr/share/man/man1/lodge-up.1.gz", "/usr/share/zsh/site-functions/_lodge", "/usr/share/doc/lodge/copyright"} {
		if !slices.Contains(list, want) {
			t.Errorf("no %s in %q", want, list)
		}
	}
	if scripts := run(t, nil, "", "rpm", "-qp", "--scripts", file); scripts != "" {
		t.Errorf("it has scripts: %s", scripts)
	}
	root := t.TempDir()
	rpm := []string{"rpm", "--root", root}
	run(t, nil, "", append(rpm, "--install", "--nodeps", file)...)
	use(t, filepath.Join(root, "usr"))
	run(t, nil, "", append(rpm, "--erase", "lodge")...)
	for _, left := range files(t, root, "var") {
		if strings.Contains(left, "lodge") {
			t.Errorf("removed, and still there: %s", left)
		}
	}
}

func testTar(t *testing.T, file string) {
	dir := t.TempDir()
	run(t, nil, "", "tar", "-C", dir, "-xzf", file)
	top, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(top) != 1 || !strings.HasPrefix(filepath.Base(top[0]), "lodge-"+version) {
		t.Fatalf("%q, %v", top, err)
	}
	use(t, top[0])
	useDocuments(t, top[0], "")
}

// files lists what is below a directory but for one part of it, without
// directories that only hold others.
func files(t *testing.T, root, but string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if rel == but {
			return filepath.SkipDir
		}
		if rel != "." {
			out = append(out, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// use runs the lodge that is installed below usr.
func use(t *testing.T, usr string) {
	t.Helper()
	lodge, home := filepath.Join(usr, "bin/lodge"), t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
	for name, dir := range map[string]string{"XDG_RUNTIME_DIR": "r", "XDG_STATE_HOME": "s"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+filepath.Join(home, dir))
	}
	if got := run(t, env, home, lodge, "version"); !strings.HasPrefix(got, "lodge "+version+" ") {
		t.Errorf("lodge version: %q", got)
	}
	project := filepath.Join(home, "shop")
	if err := os.Mkdir(project, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(project, "lodge.toml"), []byte("version = 1\n[services.web]\ncommand = \"sleep 1000\"\nready = false\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // also after a failure
		cmd := exec.Command(lodge, "down", "--all")
		cmd.Dir, cmd.Env = project, env
		if out, err := cmd.CombinedOutput(); err != nil && !os.IsNotExist(err) {
			t.Logf("lodge down: %v: %s", err, out)
		}
	})
	run(t, env, project, lodge, "up", "-d", "--engine", "none")
	if got := run(t, env, project, lodge, "run", "--engine", "none", "--", "sh", "-c", "echo home $LODGE_HOME"); !strings.HasPrefix(got, "home 127.") {
		t.Errorf("lodge run: %q", got)
	}
	if got := run(t, env, project, lodge, "ls"); !strings.Contains(got, "web") {
		t.Errorf("lodge ls: %q", got)
	}
	run(t, env, project, lodge, "down", "--all")
	// lodge finds the helper that the package has: setup installs a copy of it.
	below := t.TempDir()
	run(t, env, project, lodge, "setup", "--root", below)
	if _, err := os.Stat(filepath.Join(below, "usr/local/libexec/lodge-helper")); err != nil {
		t.Error(err)
	}
	ended(t, filepath.Join(usr, "bin"))
}

// ended waits until no process runs a program of dir: the daemon ends by itself once
// nothing is up.
func ended(t *testing.T, dir string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		links, err := filepath.Glob("/proc/[0-9]*/exe")
		if err != nil {
			t.Fatal(err)
		}
		var running []string
		for _, l := range links {
			if exe, err := os.Readlink(l); err == nil && strings.HasPrefix(exe, dir+"/") {
				running = append(running, fmt.Sprintf("%s %s", filepath.Dir(l), exe))
			}
		}
		if len(running) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still running: %q", running)
		}
	}
}

// useDocuments formats the pages and has the shells read the completions.
func useDocuments(t *testing.T, usr, compressed string) {
	t.Helper()
	env := []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "MANPAGER=cat", "MANWIDTH=80", "HOME=" + t.TempDir()}
	for page, want := range map[string]string{"man1/lodge.1": "COMMANDS", "man1/lodge-up.1": "--detach", "man5/lodge.toml.5": "KEYS OF A SERVICE"} {
		if got := run(t, env, "", "man", "--warnings", "-l", filepath.Join(usr, "share/man", page+compressed)); !strings.Contains(got, want) {
			t.Errorf("%s has no %q:\n%s", page, want, got)
		}
	}
	run(t, env, "", "bash", "-n", filepath.Join(usr, "share/bash-completion/completions/lodge"))
	// As bash-completion(1) reads it: by the name of the command.
	got := run(t, env, "", "bash", "--norc", "-c", `. "$1" && complete -p lodge`, "bash", filepath.Join(usr, "share/bash-completion/completions/lodge"))
	if !strings.Contains(got, "__start_lodge") {
		t.Errorf("completion of bash: %q", got)
	}
	if _, err := os.Stat(filepath.Join(usr, "share/fish/vendor_completions.d/lodge.fish")); err != nil {
		t.Error(err)
	}
}
