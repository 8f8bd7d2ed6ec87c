package test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the README promises first: one command in two directories at once.
func TestRunInTwoDirectories(t *testing.T) {
	python(t)
	eachEngine(t, runInTwoDirectories)
}

func runInTwoDirectories(t *testing.T, e *env) {
	ps := e.pair("index.html", "page of @ALONE@")
	var runs []*process
	for _, p := range ps {
		runs = append(runs, p.start("run", "--", systemPython, "-m", "http.server", "8000"))
	}
	check(t, ps, 8000, "/", says("page of"), localhosts...)
	all := e.ls()
	if len(all.Projects) != 2 {
		t.Errorf("ls lists %d projects, want 2", len(all.Projects))
	}
	for _, q := range all.Projects {
		if len(q.Services) != 1 || q.Services[0].Kind != "run" || q.Services[0].State != "ready" || q.Services[0].PID == 0 {
			t.Errorf("ls shows %+v, want one run that is ready, with its pid", q.Services)
		}
		if q.Isolation != "overlay" || q.Name == "" || q.ID == "" {
			t.Errorf("ls shows %+v", q)
		}
	}
	table := e.lodge(e.base, "ls").ok(t)
	for _, want := range []string{"one", "two", "8000", all.Projects[0].Home.String(), all.Projects[1].Home.String(), e.engine} {
		if !strings.Contains(table, want) {
			t.Errorf("ls for people has no %q:\n%s", want, table)
		}
	}
	for i, p := range ps {
		p.lodge("down").ok(t)
		if r := runs[i].wait(); r.code == 0 {
			t.Errorf("lodge run of a command that was stopped: %v", r)
		}
	}
}

// A person without a passwd entry, a home directory or any environment: there
// is nothing that says where the state is to be.
func TestEmptyEnvironment(t *testing.T) {
	needRoot(t) // an ordinary user's own lodge would be met
	python(t)
	t.Parallel()
	e := newEnv(t, seccomp)
	e.environ = []string{}
	// It chooses these directories by itself.
	run, state := fmt.Sprintf("/tmp/lodge-%d", e.uid), fmt.Sprintf("/var/tmp/lodge-%d", e.uid)
	for _, d := range []string{run, state} {
		if _, err := os.Lstat(d); err == nil {
			t.Fatalf("%s is there already", d)
		}
		t.Cleanup(func() {
			if err := os.RemoveAll(d); err != nil {
				t.Error(err)
			}
		})
	}
	// The order of clean-ups is the reverse: stop first, then remove.
	t.Cleanup(func() { e.lodge(e.base, "down", "--all").ok(t); e.gone() })
	runInTwoDirectories(t, e)
	if fi, err := os.Stat(run); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("runtime directory %s: %v, %v; want mode 0700", run, fi, err)
	}
}

// server makes two projects, each with one server on a port, and brings them up.
func (e *env) servers(port uint16) [2]*project {
	e.t.Helper()
	ps := e.pair("lodge.toml", config("web", fmt.Sprintf("%s http localhost:%d 'page of @ALONE@'", peerBin, port)))
	serves(e.t, ps, port, "/", says("page of"), "localhost")
	return ps
}

// one returns the single process of this environment that is what it says.
func (e *env) one(what string) proc {
	e.t.Helper()
	all := e.lodges(what)
	if len(all) != 1 {
		e.t.Fatalf("want one lodge %s process, found %v", what, all)
	}
	return all[0]
}

// lodges lists this environment's processes of lodge itself: daemon, keeper or
// helper.
func (e *env) lodges(what string) []proc {
	e.t.Helper()
	var out []proc
	for _, p := range e.processes() {
		if roleOf(e.bin, p) == what {
			out = append(out, p)
		}
	}
	return out
}

// roleOf returns what a process is of the lodge at bin, such as "keeper", or "".
func roleOf(bin string, p proc) string {
	exe, _ := os.Readlink("/proc/" + itoa(p.pid) + "/exe")
	dir, program := filepath.Split(strings.TrimSuffix(exe, " (deleted)"))
	switch {
	case dir != filepath.Dir(bin)+"/":
	case program == "lodged" && len(p.cmdline) > 2 && p.cmdline[1] == "command":
		return p.cmdline[2] // a command of lodge that lodged carries out
	case program == "lodged" && len(p.cmdline) == 3 && p.cmdline[1] == "keeper":
		return "keeper" // lodge-keeper is not there
	case program == "lodged":
		return "daemon"
	case program == "lodge-helper":
		return "helper"
	case program == "lodge" && len(p.cmdline) > 1 && p.cmdline[0] == bin:
		return p.cmdline[1]
	case program == "lodge-keeper" && len(p.cmdline) > 0 && (p.cmdline[0] == "lodge-shim" || p.cmdline[0] == "lodge-hosts"):
		return "shim"
	case program == "lodge-keeper":
		return "keeper"
	}
	return ""
}

func TestDaemonKilled(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.servers(8400)
		before := e.ls().Projects
		e.note()
		var at [2]netip.AddrPort
		for i, p := range ps {
			at[i] = p.home("tcp", 8400)
		}
		kill9(t, e.one("daemon").pid)
		for i, p := range ps {
			if page, err := get(at[i], "/"); err != nil || !strings.Contains(page, "page of "+p.name) {
				t.Errorf("%s after the daemon was killed: %q, %v", p.name, page, err)
			}
		}
		after := e.ls().Projects
		sameProjects(t, before, after)
		for _, p := range ps {
			p.curl("http://localhost:8400/", "page of "+p.name)
		}
		// Another service joins a home of before.
		ps[0].write("lodge.toml", ps[0].read("lodge.toml")+"[services.more]\ncommand = \""+peerBin+" http :8401 'more of one'\"\n")
		ps[0].up()
		shows(t, ps[0].home("tcp", 8401), "/", "more of one")
		ps[0].curl("http://localhost:8401/", "more of one")

		links := linksOf(t, e)
		for _, p := range ps {
			p.lodge("down").ok(t)
		}
		e.gone()
		noLinks(t, links)
	})
}

func TestDaemonAndHelperKilled(t *testing.T) {
	needRoot(t)
	t.Parallel()
	e := newEnv(t, ebpf)
	ps := e.servers(8410)
	e.note()
	links := linksOf(t, e)
	helper := e.one("helper").pid
	kill9(t, e.one("daemon").pid)
	_ = kill(helper) // it may have ended with its daemon
	for _, p := range ps {
		p.curl("http://localhost:8410/", "page of "+p.name)
		shows(t, p.home("tcp", 8410), "/", "page of "+p.name)
	}
	for _, p := range ps {
		p.lodge("down").ok(t)
	}
	e.gone()
	noLinks(t, links)
}

func TestHelperKilled(t *testing.T) {
	needRoot(t)
	t.Parallel()
	e := newEnv(t, ebpf)
	ps := e.servers(8420)
	kill9(t, e.one("helper").pid)
	for _, p := range ps {
		p.curl("http://localhost:8420/", "page of "+p.name)
		shows(t, p.home("tcp", 8420), "/", "page of "+p.name)
	}
	third := e.project("three", "lodge.toml", config("web", peerBin+" http :8420 'page of @ALONE@'"))
	third.up()
	third.curl("http://localhost:8420/", "page of three")
	// Homes of before the kill are stopped and made anew.
	ps[0].lodge("down").ok(t)
	ps[0].up()
	ps[0].curl("http://localhost:8420/", "page of one")
}

func TestKeeperKilled(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.servers(8430)
		q, _ := ps[0].info()
		e.note()
		kill9(t, q.KeeperPID)
		eventually(t, func() string {
			for _, p := range e.processes() {
				if slices.Contains(p.cmdline, "page of one") {
					return "a service of the killed keeper lives: " + p.String()
				}
			}
			if p, ok := ps[0].info(); ok {
				return fmt.Sprintf("ls still lists %+v", p)
			}
			for _, c := range e.cgroups {
				if strings.HasSuffix(c, q.Home.String()) {
					if _, err := os.Stat(c); err == nil {
						return "cgroup " + c + " is still there"
					}
				}
			}
			if e.engine == ebpf && slices.Contains(addresses(), home6(q.Home)) {
				return "the home's IPv6 address is still on lo"
			}
			return ""
		})
		ps[1].curl("http://localhost:8430/", "page of two")
		ps[0].up()
		if again, _ := ps[0].info(); again.Home != q.Home {
			t.Errorf("home after the keeper was killed: %s, was %s", again.Home, q.Home)
		}
		ps[0].curl("http://localhost:8430/", "page of one")
	})
}

func sameProjects(t *testing.T, before, after []lsProject) {
	t.Helper()
	if len(before) != len(after) {
		t.Fatalf("ls listed %d projects before and %d after", len(before), len(after))
	}
	for _, b := range before {
		i := slices.IndexFunc(after, func(a lsProject) bool { return a.ID == b.ID })
		if i < 0 {
			t.Fatalf("project %s is gone from ls", b.Name)
		}
		a := after[i]
		if a.Home != b.Home || a.Engine != b.Engine || a.KeeperPID != b.KeeperPID || len(a.Services) != len(b.Services) || a.Services[0].PID != b.Services[0].PID {
			t.Errorf("ls shows %+v, before %+v", a, b)
		}
	}
}

// The demonstration of the README, as the test's user.
func TestDemonstration(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("program go is missing in PATH")
	}
	eachEngine(t, func(t *testing.T, e *env) {
		// The repository may be where this user cannot read. The shop is built
		// beforehand: this user's Go would first compile the standard library.
		repo := filepath.Join(e.base, "repo")
		bin := filepath.Join(e.base, "bin")
		e.mkdir(repo)
		e.mkdir(bin)
		if out, err := exec.Command("cp", "-r", "../examples", repo).CombinedOutput(); err != nil {
			t.Fatalf("copy examples: %v\n%s", err, out)
		}
		build := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(bin, "shop"), "./cmd/shop")
		build.Dir = "../examples/shop"
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build shop: %v\n%s", err, out)
		}
		const fakeGo = `#!/bin/sh
[ "$1 $2 $4" = "build -o ./cmd/shop" ] || exit 2
cp "$(dirname "$0")/shop" "$3"
`
		if err := os.WriteFile(filepath.Join(bin, "go"), []byte(fakeGo), 0o755); err != nil {
			t.Fatal(err)
		}
		e.ownTree(e.base)
		environ := append(slices.Clone(e.environ), "PATH="+bin+":"+testPath, "TMPDIR="+e.base)
		r := e.as(environ, repo, "sh", "examples/demo.sh", e.bin)
		if r.code != 0 || !strings.Contains(r.stdout, e.engine) {
			t.Errorf("demo: %v", r)
		}
	})
}
