package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/procfs"
)

const sleepingShop = `version = 1
name = "shop"
[services.web]
command = "sleep 1000"
ready = false
`

// upSleeping brings the project shop up and gives its service's process.
func (sh *shell) upSleeping() int {
	sh.t.Helper()
	sh.write("lodge.toml", sleepingShop)
	sh.ok("up", "-d", "--engine", "none")
	return sh.pid()
}

// pid is the process of the only service of the only project.
func (sh *shell) pid() int {
	sh.t.Helper()
	ps := sh.list().Projects
	if len(ps) != 1 || len(ps[0].Services) != 1 || ps[0].Services[0].PID == 0 {
		sh.t.Fatalf("what is up: %+v", ps)
	}
	return ps[0].Services[0].PID
}

// daemon returns the process that is the daemon.
func (sh *shell) daemon() int {
	sh.t.Helper()
	h, ok := localapi.Dirs{Runtime: filepath.Join(sh.base, "run/lodge"), State: filepath.Join(sh.base, "state/lodge")}.Holder()
	if !ok {
		sh.t.Fatal("no daemon runs")
	}
	return h.PID
}

// kill ends a process at once, and waits until it has ended.
func (sh *shell) kill(pid int) {
	sh.t.Helper()
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		sh.t.Fatal(err)
	}
	if !gone(pid) {
		sh.t.Fatal("it survives SIGKILL")
	}
}

// What was lost is found, or made again, at the next command.
func TestWhatRunsIsFound(t *testing.T) {
	remove := func(what ...string) func(*shell) {
		return func(sh *shell) {
			for _, w := range what {
				paths, _ := filepath.Glob(filepath.Join(sh.base, w))
				for _, p := range paths {
					if err := os.RemoveAll(p); err != nil {
						sh.t.Fatal(err)
					}
				}
			}
		}
	}
	replace := func(what string, with func(string) error) func(*shell) {
		return func(sh *shell) {
			p := filepath.Join(sh.base, what)
			if err := errors.Join(os.RemoveAll(p), with(p)); err != nil {
				sh.t.Fatal(err)
			}
		}
	}
	file := func(p string) error { return os.WriteFile(p, []byte("mine"), 0o600) }
	for name, lose := range map[string]func(*shell){
		"the runtime directory":          remove("run"),
		"all in it":                      remove("run/lodge/*"),
		"all but the lock":               remove("run/lodge/k", "run/lodge/lodge.sock"),
		"the lock":                       remove("run/lodge/lodge.lock"),
		"the locks and the socket":       remove("run/lodge/lodge.*", "state/lodge/run-*"),
		"the daemon's socket":            remove("run/lodge/lodge.sock"),
		"the keepers' directory":         remove("run/lodge/k"),
		"the state directory":            remove("state"),
		"both directories":               remove("run", "state"),
		"a file for the socket":          replace("run/lodge/lodge.sock", file),
		"a pipe for the socket":          replace("run/lodge/lodge.sock", func(p string) error { return unix.Mkfifo(p, 0o600) }),
		"a directory for the lock":       replace("run/lodge/lodge.lock", func(p string) error { return os.Mkdir(p, 0o700) }),
		"a pipe for the lock":            replace("run/lodge/lodge.lock", func(p string) error { return unix.Mkfifo(p, 0o600) }),
		"a file for the keepers":         replace("run/lodge/k", file),
		"a file for the directory":       replace("run/lodge", file),
		"a link to nowhere for it":       replace("run/lodge", func(p string) error { return os.Symlink(p+"/no", p) }),
		"a link to nowhere for keepers":  replace("run/lodge/k", func(p string) error { return os.Symlink(p+"/no", p) }),
		"a link to nowhere for the log":  replace("state/lodge/daemon.log", func(p string) error { return os.Symlink(p+"/no", p) }),
		"a pipe for the log":             replace("state/lodge/daemon.log", func(p string) error { return unix.Mkfifo(p, 0o600) }),
		"a directory for the state":      replace("state/lodge/state.json", func(p string) error { return os.Mkdir(p, 0o700) }),
		"another runtime directory":      func(sh *shell) { moveAway(sh, "run") },
		"a keeper's record":              remove("run/lodge/k/*.json"),
		"both of a keeper's records":     remove("run/lodge/k/*.json", "state/lodge/run-*/*.json"),
		"a keeper's records and socket":  remove("run/lodge/k/*", "state/lodge/run-*/*.json"),
		"a keeper's record, cut to zero": truncateRecords,
		"a pipe for a keeper's record":   func(sh *shell) { replaceRecords(sh, func(p string) error { return unix.Mkfifo(p, 0o600) }) },
		"a directory for the record":     func(sh *shell) { replaceRecords(sh, func(p string) error { return os.Mkdir(p, 0o700) }) },
		"everything after the daemon":    func(sh *shell) { sh.kill(sh.daemon()); remove("run", "state")(sh) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, daemonDies := range []bool{false, true} {
				sh := newShell(t)
				pid, daemon := sh.upSleeping(), sh.daemon()
				lose(sh)
				if daemonDies && !strings.Contains(name, "after the daemon") {
					sh.kill(daemon)
				}
				if got := sh.pid(); got != pid {
					t.Errorf("the service is process %d, and was %d", got, pid)
				}
				if code, _, stderr := sh.run("up", "-d"); code != 0 || !strings.Contains(stderr, "shop was up already") {
					t.Errorf("up: %d, %s", code, stderr)
				}
				if got := sh.ok("exec", "--", "echo", "inside"); got != "inside\n" {
					t.Errorf("exec: %q", got)
				}
				if code, _, stderr := sh.run("down"); code != 0 || stderr != "shop is down\n" {
					t.Errorf("down: %d, %s", code, stderr)
				}
				if !gone(pid) {
					t.Error("the service goes on")
				}
				sh.cleanAside()
			}
		})
	}
}

// Where no daemon can be started, what runs is listed and ended without one.
func TestWhatRunsIsFoundWithoutADaemon(t *testing.T) {
	for name, lose := range map[string]func(base string) error{
		// What is in directories that others may list is not lodge's to set aside.
		"a file for the state":     func(base string) error { return os.WriteFile(filepath.Join(base, "state"), nil, 0o600) },
		"a link to nowhere for it": func(base string) error { return os.Symlink("nowhere", filepath.Join(base, "state")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sh := newShell(t)
			pid := sh.upSleeping()
			sh.kill(sh.daemon())
			if err := errors.Join(os.Chmod(sh.base, 0o755), os.RemoveAll(filepath.Join(sh.base, "state")), lose(sh.base)); err != nil {
				t.Fatal(err)
			}
			if got := sh.pid(); got != pid {
				t.Errorf("ls: the service is process %d, and was %d", got, pid)
			}
			if code, _, stderr := sh.run("up", "-d"); code != kit.ExitNotDone || !strings.Contains(stderr, "start daemon") {
				t.Errorf("up: %d, %s", code, stderr)
			}
			if code, _, stderr := sh.run("down"); code != 0 || !strings.HasSuffix(stderr, "shop is down\n") || !gone(pid) {
				t.Errorf("down: %d, %s", code, stderr)
			}
			if code, _, stderr := sh.run("ls"); code != kit.ExitNotDone || !strings.Contains(stderr, "start daemon") {
				t.Errorf("ls, with nothing up: %d, %s", code, stderr)
			}
			if err := os.Remove(filepath.Join(sh.base, "state")); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A keeper whose socket is gone, and whose directory cannot be made again, is
// ended all the same, also where no daemon can be started.
func TestAKeeperOutOfReachIsEnded(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	pid := sh.upSleeping()
	sh.kill(sh.daemon())
	run := filepath.Join(sh.base, "run")
	lodge := filepath.Join(run, "lodge")
	// A file in a directory that others may list is not lodge's to set aside.
	if err := errors.Join(os.Chmod(sh.base, 0o755), os.Chmod(run, 0o755), os.Rename(lodge, lodge+".old"), os.WriteFile(lodge, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := sh.run("ls"); code != 0 || !strings.Contains(stdout, "cannot make it again") {
		t.Errorf("ls: %d, %s%s", code, stdout, stderr)
	}
	if code, _, stderr := sh.run("down"); code != 0 || !strings.HasSuffix(stderr, "shop is down\n") || !gone(pid) {
		t.Errorf("down: %d, %s", code, stderr)
	}
	if err := errors.Join(os.Remove(lodge), os.RemoveAll(lodge+".old")); err != nil {
		t.Fatal(err)
	}
}

// cleanAside removes what was set aside among the keepers' files.
func (sh *shell) cleanAside() {
	aside, _ := filepath.Glob(filepath.Join(sh.base, "run/lodge/k/*.aside-*"))
	for _, p := range aside {
		_ = os.RemoveAll(p)
	}
}

// moveAway renames a directory and makes it anew, with another mode.
func moveAway(sh *shell, what string) {
	sh.t.Helper()
	p := filepath.Join(sh.base, what)
	if err := errors.Join(os.Rename(p, p+".old"), os.Mkdir(p, 0o755)); err != nil {
		sh.t.Fatal(err)
	}
}

func replaceRecords(sh *shell, with func(string) error) {
	sh.t.Helper()
	records, _ := filepath.Glob(filepath.Join(sh.base, "run/lodge/k/*.json"))
	for _, p := range records {
		if err := errors.Join(os.Remove(p), with(p)); err != nil {
			sh.t.Fatal(err)
		}
	}
	if len(records) == 0 {
		sh.t.Fatal("no records")
	}
}

func truncateRecords(sh *shell) {
	replaceRecords(sh, func(p string) error { return os.WriteFile(p, nil, 0o600) })
}

// The directory's name may change, or belong to another directory by now.
func TestAProjectWhoseDirectoryMoves(t *testing.T) {
	t.Run("renamed", func(t *testing.T) {
		sh := newShell(t)
		pid := sh.upSleeping()
		old := sh.dir
		sh.dir = filepath.Join(sh.base, "moved")
		if err := os.Rename(old, sh.dir); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := sh.run("up", "-d"); code != 0 || !strings.Contains(stderr, "renamed") {
			t.Errorf("up: %d, %s", code, stderr)
		}
		// Its definition names another directory now, so it was restarted.
		if now := sh.pid(); now != pid && !gone(pid) {
			t.Error("up started a second copy")
		} else {
			pid = now
		}
		if got := sh.ok("exec", "--", "pwd"); got != sh.dir+"\n" {
			t.Errorf("exec: %q", got)
		}
		if p := sh.list().Projects[0]; p.DirectoryProblem != "renamed" || p.DirectoryNow != sh.dir || p.Path != old {
			t.Errorf("ls: %+v", p)
		}
		sh.ok("restart")
		if !gone(pid) {
			t.Error("restart left the service as it was")
		}
		pid = sh.pid()
		if code, _, stderr := sh.run("down"); code != 0 || !strings.HasSuffix(stderr, "shop is down\n") || !gone(pid) {
			t.Errorf("down: %d, %s", code, stderr)
		}
	})
	t.Run("replaced", func(t *testing.T) {
		sh := newShell(t)
		pid := sh.upSleeping()
		elsewhere := filepath.Join(sh.base, "elsewhere")
		if err := errors.Join(os.Rename(sh.dir, elsewhere), os.Mkdir(sh.dir, 0o755)); err != nil {
			t.Fatal(err)
		}
		sh.write("lodge.toml", sleepingShop)
		code, _, stderr := sh.run("up", "-d")
		if code != 0 || !strings.Contains(stderr, "is "+elsewhere+" now") || !strings.Contains(stderr, "lodge restart") || sh.pid() != pid {
			t.Errorf("up: %d, %s", code, stderr)
		}
		sh.ok("restart")
		if p := sh.list().Projects[0]; p.DirectoryProblem != "" {
			t.Errorf("after restart: %+v", p)
		}
		pid = sh.pid()
		if cwd, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd"); err != nil || cwd != sh.dir {
			t.Errorf("the service runs in %s, %v", cwd, err)
		}
		sh.ok("down")
	})
	t.Run("replaced by another project", func(t *testing.T) {
		sh := newShell(t)
		pid := sh.upSleeping()
		elsewhere := filepath.Join(sh.base, "elsewhere")
		if err := errors.Join(os.Rename(sh.dir, elsewhere), os.Mkdir(sh.dir, 0o755)); err != nil {
			t.Fatal(err)
		}
		for _, other := range []string{
			strings.Replace(sleepingShop, "services.web", "services.api", 1),
			strings.Replace(sleepingShop, "sleep 1000", "sleep 2000", 1),
		} {
			sh.write("lodge.toml", other)
			code, _, stderr := sh.run("up", "-d")
			if code != kit.ExitNotDone || sh.pid() != pid {
				t.Errorf("up: %d, %s", code, stderr)
			}
			for _, want := range []string{"runs web in " + elsewhere, "lodge restart", "lodge down --project shop-"} {
				if !strings.Contains(stderr, want) {
					t.Errorf("up does not say %q: %s", want, stderr)
				}
			}
		}
		sh.ok("restart")
		if !gone(pid) || sh.list().Projects[0].Services[0].Command != "sleep 2000" {
			t.Error("restart did not run the services here")
		}
		sh.ok("down")
	})
	t.Run("removed", func(t *testing.T) {
		sh := newShell(t)
		pid := sh.upSleeping()
		if err := os.RemoveAll(sh.dir); err != nil {
			t.Fatal(err)
		}
		old := sh.dir
		sh.dir = filepath.Join(sh.base, "copy")
		if err := os.Mkdir(sh.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := sh.run("down")
		if code != kit.ExitNotDone {
			t.Errorf("down: %d", code)
		}
		one(t, stderr, "shop is up, and its directory "+old+" was removed", "lodge down --project shop-")
		hint := stderr[strings.Index(stderr, "lodge down --project"):]
		if code, _, stderr := sh.run(strings.Fields(hint)[1:4]...); code != 0 || stderr != "shop is down\n" || !gone(pid) {
			t.Errorf("as the hint says: %d, %s", code, stderr)
		}
	})
}

func TestCommandsForAProjectByName(t *testing.T) {
	sh := newShell(t)
	pid := sh.upSleeping()
	id := sh.list().Projects[0].ID
	shop := sh.dir
	sh.dir = sh.base
	for _, name := range []string{"shop", id, shop, "shop/../shop"} {
		if got := sh.ok("exec", "--project", name, "--", "sh", "-c", "echo $LODGE_PROJECT"); got != "shop\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	sh.ok("logs", "--project", "shop")
	sh.ok("restart", "--project", "shop")
	if !gone(pid) {
		t.Error("restart did nothing")
	}
	code, _, stderr := sh.run("down", "--project", "none")
	if code != kit.ExitNotDone {
		t.Errorf("down of none: %d", code)
	}
	one(t, stderr, "find project none: none that is known has that name", "lodge ls --all")
	if code, _, _ := sh.run("down", "--all", "--project", "shop"); code != kit.ExitUsage {
		t.Errorf("one and all: %d", code)
	}
	sh.ok("down", "--project", "shop")
}

// The file may be broken, gone, or not to be read while the project is up.
func TestAProjectWithoutItsFile(t *testing.T) {
	sh := newShell(t)
	for name, lose := range map[string]func(path string) error{
		"broken":      func(p string) error { return os.WriteFile(p, []byte("x = ["), 0o600) },
		"gone":        func(string) error { return nil },
		"a pipe":      func(p string) error { return unix.Mkfifo(p, 0o600) },
		"a directory": func(p string) error { return os.Mkdir(p, 0o700) },
	} {
		pid := sh.upSleeping()
		path := filepath.Join(sh.dir, "lodge.toml")
		if err := errors.Join(os.Remove(path), lose(path)); err != nil {
			t.Fatal(err)
		}
		below := filepath.Join(sh.dir, "below")
		if err := os.MkdirAll(below, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{sh.dir, below} {
			if dir == below && name == "gone" {
				continue // there a command starts a project of its own
			}
			at := *sh
			at.dir = dir
			at.ok("logs")
			if got := at.ok("exec", "--", "sh", "-c", "echo $LODGE_HOME; pwd"); !strings.HasSuffix(got, dir+"\n") || !strings.HasPrefix(got, "127.") {
				t.Errorf("%s, exec: %q", name, got)
			}
		}
		at := *sh
		at.dir = below
		at.ok("down")
		if !gone(pid) {
			t.Errorf("%s: down left it", name)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	// Without anything that is up, a broken file is an error.
	sh.write("lodge.toml", "x = [")
	if code, _, stderr := sh.run("exec", "--", "true"); code != kit.ExitUsage || strings.Count(stderr, "\n") != 1 {
		t.Errorf("exec with nothing up: %d, %s", code, stderr)
	}
}

// Paths, arguments and variables are bytes.
func TestNamesThatAreNotUTF8(t *testing.T) {
	sh := newShell(t)
	var pids []int
	for _, name := range []string{"caf\xe9", "caf\ufffd"} {
		sh.dir = filepath.Join(sh.base, name)
		if err := os.Mkdir(sh.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		sh.write("lodge.toml", "version = 1\n[services.web]\ncommand = \"sleep 1000\"\nready = false\n")
		sh.ok("up", "-d", "--engine", "none")
	}
	for i, name := range []string{"caf\xe9", "caf\ufffd"} {
		sh.dir = filepath.Join(sh.base, name)
		ps := sh.list().Projects
		if len(ps) != 2 {
			t.Fatalf("what is up: %+v", ps)
		}
		for _, verb := range []string{"run", "exec"} {
			at := *sh
			at.env = append(at.env, "WORD=\xfe")
			if got := at.ok(verb, "--", "sh", "-c", `pwd; echo "$1$WORD"`, "sh", "\xff"); got != sh.dir+"\n\xff\xfe\n" {
				t.Errorf("%s in %q: %q", verb, name, got)
			}
		}
		for _, s := range ps[i].Services {
			if s.Kind == "service" {
				pids = append(pids, s.PID)
			}
		}
	}
	sh.dir = filepath.Join(sh.base, "caf\xe9")
	if code, _, stderr := sh.run("down"); code != 0 || len(sh.list().Projects) != 1 {
		t.Errorf("down: %d, %s", code, stderr)
	}
	if got := sh.list().Projects[0]; got.Path != filepath.Join(sh.base, "caf\ufffd") || got.PathBase64 != nil {
		t.Errorf("the one that is up: %+v", got)
	}
	sh.ok("down", "--all")
	for _, pid := range pids {
		if !gone(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
}

// Another version works, and says so once, with the command that renews it.
func TestAnotherVersion(t *testing.T) {
	sh := newShell(t)
	sh.version = "v2.0.0"
	pid := sh.upSleeping()
	for _, args := range [][]string{{"ls"}, {"exec", "--", "true"}, {"up", "-d"}} {
		code, _, stderr := sh.run(args...)
		if code != 0 || strings.Count(stderr, "v2.0.0") != 1 || !strings.Contains(stderr, "the daemon is lodge v1.2.3, and this is v2.0.0; `kill ") {
			t.Errorf("%v: %d, %q", args, code, stderr)
		}
	}
	// As it says.
	daemon := sh.daemon()
	if _, _, stderr := sh.run("ls"); !strings.Contains(stderr, fmt.Sprintf("`kill %d`", daemon)) {
		t.Errorf("the daemon is process %d: %q", daemon, stderr)
	}
	if err := unix.Kill(daemon, unix.SIGTERM); err != nil || !gone(daemon) {
		t.Fatal(err)
	}
	if sh.pid() != pid {
		t.Error("the service was touched")
	}
	sh.version = ""
	if code, _, stderr := sh.run("ls"); code != 0 || stderr != "" {
		t.Errorf("with the same version: %d, %q", code, stderr)
	}
}

// A directory that was emptied twice, and several projects at once, while
// commands are attached.
func TestEmptiedUnderAttachedCommands(t *testing.T) {
	sh := newShell(t)
	pid := sh.upSleeping()
	other := *sh
	other.dir = filepath.Join(sh.base, "other")
	if err := os.Mkdir(other.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	other.write("lodge.toml", strings.Replace(sleepingShop, `"shop"`, `"other"`, 1))
	other.ok("up", "-d", "--engine", "none")

	began, goOn := filepath.Join(sh.base, "began"), filepath.Join(sh.base, "go")
	if err := unix.Mkfifo(goOn, 0o600); err != nil {
		t.Fatal(err)
	}
	attached := make(chan string, 1)
	go func() {
		code, stdout, stderr := sh.run("exec", "--", "sh", "-c", fmt.Sprintf("touch %s; read x <%s; echo done; exit 7", began, goOn))
		attached <- fmt.Sprint(code, stdout, stderr)
	}()
	if !within(func() bool { _, err := os.Stat(began); return err == nil }) {
		t.Fatal("the command does not start")
	}
	for range 2 {
		if err := os.RemoveAll(filepath.Join(sh.base, "run")); err != nil {
			t.Fatal(err)
		}
		if ps := sh.list().Projects; len(ps) != 2 {
			t.Fatalf("what is up: %+v", ps)
		}
	}
	if err := os.WriteFile(goOn, []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
	if got := <-attached; got != "7done\n" {
		t.Errorf("the attached command: %q", got)
	}
	sh.ok("down", "--all")
	if !gone(pid) {
		t.Error("a service is left")
	}
}

// A full runtime directory is told in one line, or done without.
func TestAFullRuntimeDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a small file system")
	}
	sh := newShell(t)
	run := filepath.Join(sh.base, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", run, "tmpfs", 0, "size=4k,mode=700"); err != nil {
		t.Skip("needs mounts: " + err.Error())
	}
	t.Cleanup(func() {
		if !within(func() bool { return unix.Unmount(run, 0) == nil }) {
			_ = unix.Unmount(run, unix.MNT_DETACH)
		}
	})
	if err := os.WriteFile(filepath.Join(run, "full"), make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := sh.ok("exec", "--engine", "none", "--", "echo", "inside"); got != "inside\n" {
		t.Errorf("exec: %q", got)
	}
	pid := sh.upSleeping()
	sh.kill(sh.daemon())
	if sh.pid() != pid {
		t.Error("the service was not found again")
	}
	sh.ok("down")
	n, err := procfs.StartTime(pid)
	if err == nil && procfs.Alive(pid, n) {
		t.Error("the service is left")
	}
}

// Where there can be no socket, the line says what to do.
func TestARuntimeDirectoryWithoutFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a small file system")
	}
	sh := newShell(t)
	run := filepath.Join(sh.base, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", run, "tmpfs", 0, "nr_inodes=3,mode=700"); err != nil {
		t.Skip("needs mounts: " + err.Error())
	}
	t.Cleanup(func() { _ = unix.Unmount(run, unix.MNT_DETACH) })
	code, _, stderr := sh.run("exec", "--engine", "none", "--", "true")
	if code != kit.ExitNotDone {
		t.Errorf("exec: %d", code)
	}
	one(t, stderr, "no space left on device", "make room there")
	// The daemon says why before it ends.
	var left []byte
	if !within(func() (none bool) {
		var err error
		left, err = exec.Command("pgrep", "-af", sh.base).Output()
		return err != nil
	}) {
		t.Errorf("left: %s", left)
	}
}
