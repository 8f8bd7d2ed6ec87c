package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// oneLine checks how a command that was refused says so: the status, one line
// on standard error, and what the line has to contain.
func oneLine(t *testing.T, r result, code int, want ...string) {
	t.Helper()
	if r.code != code || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "lodge: ") {
		t.Errorf("want status %d and one line that begins with lodge: %v", code, r)
	}
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(r.stderr) {
			t.Errorf("the error does not match %q: %v", w, r)
		}
	}
}

func TestWrongConfig(t *testing.T) {
	t.Parallel()
	e := newEnv(t, seccomp)
	for name, c := range map[string]struct {
		file, text string
		want       []string
	}{
		"unknown key":   {"lodge.toml", "version = 1\n[services.web]\ncomand = \"x\"\n", []string{`lodge\.toml:3:1: `, "comand", `did you mean "?command`}},
		"wrong type":    {"lodge.toml", "version = 1\n[services.web]\ncommand = \"x\"\nneeds = \"db\"\n", []string{`lodge\.toml:4:9: `, "needs"}},
		"cycle":         {"lodge.toml", "version = 1\n[services.a]\ncommand = \"x\"\nneeds = [\"b\"]\n[services.b]\ncommand = \"x\"\nneeds = [\"a\"]\n", []string{`lodge\.toml:\d+:\d+: `, `a.*b.*a`}},
		"no such need":  {"lodge.toml", "version = 1\n[services.a]\ncommand = \"x\"\nneeds = [\"bd\"]\n[services.db]\ncommand = \"x\"\n", []string{`lodge\.toml:4:10: `, `"bd"`, `\bdb\b`}},
		"twice":         {"lodge.toml", "version = 1\n[services.a]\ncommand = \"x\"\n[services.a]\ncommand = \"y\"\n", []string{`lodge\.toml:4:\d+: `}},
		"no toml":       {"lodge.toml", "version = 1\n[services.web\n", []string{`lodge\.toml:2:\d+: `}},
		"newer":         {"lodge.toml", "version = 99\nnew = 1\n", []string{`lodge\.toml:1:11: `, "99"}},
		"bad procfile":  {"Procfile", "web: x\nworker\n", []string{`Procfile:2:1: `}},
		"empty command": {"lodge.toml", "version = 1\n[services.web]\ncommand = \"\"\n", []string{`lodge\.toml:3:11: `}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			dir := filepath.Join(e.base, "p", strings.ReplaceAll(name, " ", "-"))
			e.mkdir(filepath.Dir(dir))
			e.mkdir(dir)
			p := &project{env: e, name: name, dir: dir}
			p.write(c.file, c.text)
			oneLine(t, p.lodge("up", "-d"), 2, c.want...)
			oneLine(t, p.lodge("exec", "--", "true"), 2, c.want[0])
		})
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	e := newEnv(t, seccomp)
	p := e.project("usage", "lodge.toml", config("web", "true"))
	empty := e.project("empty")
	oneLine(t, p.lodge("up", "-d", "--engine", "docker"), 2, "docker", "ebpf, seccomp", "hint")
	oneLine(t, p.lodge("up", "--isolation", "loose"), 2, "loose", "strict", "hint")
	oneLine(t, p.lodge("uo"), 2, "uo", "hint")
	oneLine(t, p.lodge("up", "--detatch"), 2, "detatch", "hint")
	oneLine(t, p.lodge("up", "wbe"), 2, "wbe", "web")
	oneLine(t, p.lodge("exec"), 2, "hint")
	oneLine(t, p.lodge("logs", "--since", "yesterday"), 2, "yesterday", "hint")
	oneLine(t, empty.lodge("up"), 1, "no lodge.toml", "hint")
	oneLine(t, empty.lodge("exec", "--", "no-such-program"), 127, "no-such-program", "PATH", "/usr/bin")
	oneLine(t, empty.lodge("exec", "--", "./lodge.toml"), 127, "lodge.toml")
	oneLine(t, p.lodge("exec", "--", "./lodge.toml"), 126, "lodge.toml")
}

func TestEBPFAsOrdinaryUser(t *testing.T) {
	needRoot(t)
	t.Parallel()
	e := newEnv(t, seccomp)
	p := e.project("user", "lodge.toml", config("web", peerBin+" http :8000 x"))
	oneLine(t, p.lodge("up", "-d", "--engine", "ebpf"), 1, "ebpf", "root", "hint", "seccomp")
	oneLine(t, p.lodge("exec", "--engine", "ebpf", "--", "true"), 1, "ebpf")
	if got := e.ls().Projects; len(got) != 0 {
		t.Errorf("ls lists %+v", got)
	}
}

func TestCommandNotFound(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("missing", "lodge.toml", config("web", "no-such-server --port 1", `env = { PATH = "/opt/none:/usr/bin" }`))
		oneLine(t, p.lodge("up", "-d"), 1, "web", "no-such-server", "/opt/none:/usr/bin", "hint")
		p.write("lodge.toml", config("web", "./run.sh"))
		p.write("run.sh", "#!/bin/sh\n")
		oneLine(t, p.lodge("up", "-d"), 1, "web", "run.sh", "permission denied")
	})
}

func TestPortTakenInside(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		first := "version = 1\n[services.first]\ncommand = \"" + peerBin + " http localhost:8500 first\"\n"
		second := "[services.second]\ncommand = \"" + peerBin + " http :8500 second\"\nneeds = ['first']\nrestart = 'never'\n"
		p := e.project("taken", "lodge.toml", first+second)
		r := p.lodge("up", "-d")
		if r.code != 1 || !strings.Contains(r.stderr, "second") || !strings.Contains(r.stderr, "port 8500 is taken inside by service first") {
			t.Errorf("two services on one port: %v", r)
		}
		if !strings.Contains(r.stderr, "address already in use") {
			t.Errorf("the last lines of the service are not shown: %v", r)
		}
		p.curl("http://localhost:8500/", "first")
		if r := p.lodge("exec", "--", peerBin, "http", "127.0.0.1:8500", "third"); r.code == 0 || !strings.Contains(r.stderr, "in use") {
			t.Errorf("a third one: %v", r)
		}
	})
}

func TestNotReady(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("slow", "lodge.toml", config("web", "sh -c 'echo began; echo still waiting >&2; exec sleep 1000'", `ready_timeout = "1s"`))
		r := p.lodge("up", "-d")
		for _, want := range []string{"web", "not ready after 1s", "began", "still waiting", "ready = false"} {
			if r.code != 1 || !strings.Contains(r.stderr, want) {
				t.Errorf("a service that never listens: want status 1 and %q: %v", want, r)
			}
		}
		for _, q := range e.processes() {
			if strings.Contains(q.String(), "sleep 1000") {
				t.Errorf("it goes on after it failed: %v", q)
			}
		}
	})
}

func TestDirectoryVanished(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("gone", "lodge.toml", config("web", peerBin+" http :8510 'page of gone'", "dir = 'sub'"))
		oneLine(t, p.lodge("up", "-d"), 1, "web", "sub", "hint")
		p.mkdir(filepath.Join(p.dir, "sub"))
		p.up()
		at := p.home("tcp", 8510)
		if err := os.RemoveAll(p.dir); err != nil {
			t.Fatal(err)
		}
		shows(t, at, "/", "page of gone")
		if _, ok := p.info(); !ok {
			t.Error("ls does not list a project that runs and whose directory is gone")
		}
		r := e.as(e.environ, e.base, "sh", "-c", `mkdir d && cd d && rmdir ../d && exec "$0" ls`, e.bin)
		if r.code != 0 {
			oneLine(t, r, 1, "directory", "hint")
		}
		e.lodge(e.base, "down", "--all").ok(t)
	})
}

// Two who start the same project at once get one copy.
func TestTwoUpsAtOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("once", "lodge.toml", config("web", peerBin+" http :8520 'only one'"))
		var ups []*process
		for range 6 {
			ups = append(ups, p.start("up", "-d"))
		}
		for _, u := range ups {
			if r := u.wait(); r.code != 0 {
				t.Errorf("up: %v", r)
			}
		}
		copies := 0
		for _, q := range e.processes() {
			if q.cmdline[0] == peerBin {
				copies++
			}
		}
		if copies != 1 {
			t.Errorf("%d copies of the service run, want 1: %v", copies, e.processes())
		}
		if n := len(e.lodges("keeper")); n != 1 {
			t.Errorf("%d keepers run, want 1", n)
		}
		if s, _ := p.service("web"); s.Restarts != 0 {
			t.Errorf("it was restarted %d times", s.Restarts)
		}
		if r := p.lodge("up", "-d"); r.code != 0 || !strings.Contains(r.stderr, "already") {
			t.Errorf("up of what is up: %v", r)
		}
		// An attached one shows its output, and leaves it running.
		second := p.start("up")
		eventually(t, func() string {
			if strings.Contains(second.stderr(), "already") {
				return ""
			}
			return "a second up says " + second.stdout() + second.stderr()
		})
		second.signal(2)
		if r := second.wait(); r.code != 130 {
			t.Errorf("second up after Ctrl-C: %v", r)
		}
		p.curl("http://localhost:8520/", "only one")
		oneLine(t, p.lodge("up", "-d", "--isolation", "strict"), 1, "isolation", "lodge down")
	})
}

func TestCorruptState(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("same", "lodge.toml", config("web", peerBin+" http :8530 'here'"))
		q := e.project("other", "lodge.toml", config("web", peerBin+" http :8530 'here'"))
		state := filepath.Join(e.state, "lodge", "state.json")
		homes := func() (out [2]string) {
			for i, x := range []*project{p, q} {
				x.up()
				info, _ := x.info()
				out[i] = info.Home.String()
				x.lodge("down").ok(t)
			}
			return out
		}
		noDaemon := func() {
			eventually(t, func() string {
				if len(e.lodges("daemon")) == 0 {
					return ""
				}
				return "the daemon does not end when nothing is up"
			})
		}
		before := homes()
		noDaemon()
		whole, err := os.ReadFile(state)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"half written": string(whole[:len(whole)/2]), "garbage": "\x00\x01{{{", "empty": "", "of another version": `{"version": 99, "projects": []}`} {
			if err := os.WriteFile(state, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			r := e.lodge(e.base, "ls")
			if r.code != 0 || !strings.Contains(r.stderr, "set aside as "+state+".corrupt-") {
				t.Errorf("ls with a state file that is %s: %v", name, r)
			}
			if got := homes(); got != before {
				t.Errorf("homes after a state file that was %s: %v, before %v", name, got, before)
			}
			noDaemon()
		}
		if aside, _ := filepath.Glob(state + ".corrupt-*"); len(aside) != 4 {
			t.Errorf("set aside: %v, want 4 files", aside)
		}
		if err := os.Remove(state); err != nil {
			t.Fatal(err)
		}
		if got := homes(); got != before {
			t.Errorf("homes without a state file: %v, before %v", got, before)
		}
	})
}

// A keeper's record that is half written must not be in the way either.
func TestCorruptRecord(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("rec", "lodge.toml", config("web", peerBin+" http :8540 'here'"))
		p.up()
		p.lodge("down").ok(t)
		eventually(t, func() string {
			if len(e.lodges("daemon")) == 0 {
				return ""
			}
			return "the daemon does not end when nothing is up"
		})
		bad := filepath.Join(e.lodgeRuntime(), "k", "rec-12345678.json")
		if err := os.WriteFile(bad, []byte(`{"config":{"id":"rec-`), 0o600); err != nil {
			t.Fatal(err)
		}
		p.up()
		p.curl("http://localhost:8540/", "here")
		matches, _ := filepath.Glob(bad + "*")
		for _, m := range matches {
			if err := os.Remove(m); err != nil {
				t.Error(err)
			}
		}
	})
}

// A runtime directory that cannot be used is one line and a hint.
func TestNoPermission(t *testing.T) {
	needRoot(t)
	t.Parallel()
	e := newEnv(t, seccomp)
	p := e.project("denied")
	environ := []string{"XDG_RUNTIME_DIR=/usr/lodge-test-nowhere", "XDG_STATE_HOME=" + e.state}
	oneLine(t, p.as(environ, p.dir, e.bin, "ls"), 1, "start daemon", "XDG_RUNTIME_DIR")
	environ = []string{"XDG_RUNTIME_DIR=" + e.runtime, "XDG_STATE_HOME=/sys"}
	oneLine(t, p.as(environ, p.dir, e.bin, "exec", "true"), 1, "start daemon", "XDG_STATE_HOME")
}

// A full disk stops no service: its output stays in memory, and ls says so.
func TestFullDisk(t *testing.T) {
	needRoot(t)
	need(t, "unshare")
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("full", "lodge.toml", config("web", "sh -c '"+peerBin+" noisy 20000 & exec "+peerBin+" http :8550 works'"))
		e.inSmallState("640k") // the certificates of the system are copied there too
		p.up()
		at := p.home("tcp", 8550)
		shows(t, at, "/", "works")
		eventually(t, func() string {
			if q, _ := p.info(); strings.Contains(q.LogError, "no space left") {
				return ""
			}
			return "ls does not say that the disk is full"
		})
		shows(t, at, "/", "works")
		if out := e.lodge(e.base, "ls").ok(t); !strings.Contains(out, "no space left") {
			t.Errorf("ls for people: %q", out)
		}
		if out := p.lodge("logs", "-n", "5"); out.code != 0 || !strings.Contains(out.stdout, "line ") {
			t.Errorf("logs on a full disk: %v", out)
		}
		// A new project starts all the same.
		q := e.project("fuller", "lodge.toml", config("web", peerBin+" http :8550 works too"))
		q.up()
		shows(t, q.home("tcp", 8550), "/", "works")
		for _, x := range []*project{p, q} {
			x.lodge("down").ok(t)
		}
	})
}

// inSmallState makes all later commands run where the state directory is a
// small file system, in a mount namespace of its own.
func (e *env) inSmallState(size string) {
	e.t.Helper()
	uid := itoa(e.uid)
	script := `mount -t tmpfs -o size=` + size + `,mode=0700,uid=` + uid + `,gid=` + uid + ` tmpfs "$0" && echo mounted && exec sleep 1000`
	cmd := hostCommand("unshare", "--mount", "--propagation", "private", "sh", "-c", script, e.state)
	holder := background(e.t, cmd)
	eventually(e.t, func() string {
		if strings.Contains(holder.stdout(), "mounted") {
			return ""
		}
		return "mount a small tmpfs: " + holder.stderr()
	})
	e.prefix = []string{"nsenter", "--mount=/proc/" + itoa(cmd.Process.Pid) + "/ns/mnt", "--wdns=" + workingDirectory}
	if e.uid != 0 {
		e.prefix = append(e.prefix, "setpriv", "--reuid="+uid, "--regid="+uid, "--clear-groups")
	}
	e.t.Cleanup(e.leave)
}

// A change of the home range's owner: somebody outside listens on the home's
// address before the project does.
func TestHomeInUse(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("moved", "lodge.toml", config("web", peerBin+" http :8560 here"))
		p.up()
		first, _ := p.info()
		p.lodge("down").ok(t)
		squatter := background(t, hostCommand(peerBin, "http", first.Home.String()+":8561", "squatter"))
		eventually(t, func() string {
			if strings.Contains(squatter.stdout(), "listening") {
				return ""
			}
			return "the squatter does not listen: " + squatter.stderr()
		})
		p.up()
		second, _ := p.info()
		if second.Home == first.Home {
			t.Errorf("the home %s was taken although somebody listens there", first.Home)
		}
		p.curl("http://localhost:8560/", "here")
		r := e.lodge(e.base, "ls")
		if !strings.Contains(r.stderr, first.Home.String()) {
			t.Errorf("ls does not warn that the home is in use: %v", r)
		}
	})
}
