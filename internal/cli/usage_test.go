package cli

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/cli/kit"
)

func TestWrongUsage(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", "version = 1\n[services.web]\ncommand = \"sleep 1000\"\nready = false\n[services.db]\ncommand = \"sleep 1000\"\n")
	for _, c := range []struct{ line, want, hint string }{
		{"dance", `unknown command "dance"`, "lodge --help"},
		{"restrat", `unknown command "restrat"`, "lodge restart"},
		{"dwn", `unknown command "dwn"`, "lodge down"},
		{"lss", `unknown command "lss"`, "lodge ls"},
		{"--bogus", "read flags of lodge: unknown flag: --bogus", "lodge --help"},
		{"up --bogus", "read flags of lodge up: unknown flag: --bogus", "lodge up --help"},
		{"up -x", "read flags of lodge up: unknown shorthand flag", "lodge up --help"},
		{"logs -n many", `read flags of lodge logs: invalid argument "many" for --tail: invalid syntax`, "lodge logs --help"},
		{"ls --json=perhaps", "read flags of lodge ls: invalid argument", "lodge ls --help"},
		{"run", "read arguments of lodge run: there are none", "usage: lodge run"},
		{"exec", "read arguments of lodge exec: there are none", "usage: lodge exec"},
		{"run --", "read arguments of lodge run: there are none", "usage: lodge run"},
		{"ls more", "read arguments of lodge ls: it takes none, and \"more\" is one", "usage: lodge ls"},
		{"version more", "read arguments of lodge version: ", "usage: lodge version"},
		{"doctor more", "read arguments of lodge doctor: ", "usage: lodge doctor"},
		{"trust more", "read arguments of lodge trust: ", "usage: lodge trust"},
		{"trust --pem --check", "exclude each other", "lodge trust --help"},
		{"trust --pem --json", "--pem prints PEM", "lodge trust --status --json"},
		{"trust --check --only nss", "--only is about stores", "lodge trust --only system"},
		{"trust --only system,windows", `store "windows": not one of system, nss, java`, "lodge trust --only system"},
		{"trust --root here", `--root "here" is not an absolute path`, "--root /"},
		{"setup more", "read arguments of lodge setup: ", "usage: lodge setup"},
		{"up --engine magic", `engine "magic": not one of ebpf, seccomp, none`, "--engine ebpf, seccomp or none"},
		{"exec --engine EBPF -- true", `engine "EBPF": not one of`, "--engine ebpf, seccomp or none"},
		{"run --isolation some -- true", `isolation "some": not one of overlay, strict`, "--isolation overlay or strict"},
		{"run --name Bad/Name -- true", `name the command "Bad/Name": not a name`, "lower-case letters"},
		{"logs --since yesterday", `read time "yesterday"`, "--since 10m"},
		{"logs -n -1", "--tail is negative", "--tail 100"},
		{"down --all web", "--all stops whole projects", "lodge down --all"},
		{"up wbe", "start service wbe: ", "there are: web, db"},
	} {
		t.Run(c.line, func(t *testing.T) {
			code, stdout, stderr := sh.run(strings.Fields(c.line)...)
			if code != kit.ExitUsage || stdout != "" {
				t.Errorf("%d, %q", code, stdout)
			}
			one(t, stderr, c.want, c.hint)
		})
	}
}

func TestBadConfiguration(t *testing.T) {
	sh := newShell(t)
	for _, c := range []struct{ name, text, want string }{
		{"no TOML", "version = 1\n[services.web\n", "lodge.toml:2:"},
		{"unknown key", "version = 1\n[services.web]\ncomand = \"true\"\n", "lodge.toml:3:1: "},
		{"wrong type", "version = 1\n[services.web]\ncommand = 7\n", "lodge.toml:3:11: "},
		{"a ring", "version = 1\n[services.a]\ncommand = \"true\"\nneeds = [\"b\"]\n[services.b]\ncommand = \"true\"\nneeds = [\"a\"]\n", "lodge.toml:"},
		{"newer", "version = 9\n", "lodge.toml:1:11: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			sh.write("lodge.toml", c.text)
			for _, line := range []string{"up -d", "run -- true", "exec -- true", "logs", "down"} {
				code, stdout, stderr := sh.run(strings.Fields(line)...)
				if code != kit.ExitUsage || stdout != "" {
					t.Errorf("%s: %d, %q", line, code, stdout)
				}
				one(t, stderr, c.want, "")
			}
			// What is not about the project here works.
			if code, _, stderr := sh.run("ls"); code != 0 {
				t.Errorf("ls: %d, %s", code, stderr)
			}
		})
	}
}

func TestNothingThere(t *testing.T) {
	sh := newShell(t)
	for _, c := range []struct {
		line        string
		code        int
		out, stderr string
	}{
		{"ls", 0, "", "nothing is up; start a project with `lodge up`, or one command with `lodge run -- CMD`\n"},
		{"ls --all", 0, "", "nothing is up"},
		{"ps", 0, "", "nothing is up"},
		{"down", 0, "", "nothing is up here\n"},
		{"down --all", 0, "", ""},
		{"up", 1, "", "lodge: start project: "},
		{"logs", 1, "", "it is not up (hint: lodge up, or: lodge ls --all)"},
		{"restart", 1, "", "it is not up (hint: lodge up, or: lodge ls --all)"},
		{"down web", 1, "", "it is not up"},
	} {
		code, stdout, stderr := sh.run(strings.Fields(c.line)...)
		if code != c.code || stdout != c.out || !strings.Contains(stderr, c.stderr) || strings.Count(stderr, "\n") > 1 {
			t.Errorf("%s: %d, %q, %q", c.line, code, stdout, stderr)
		}
	}
	if got := sh.ok("ls", "--json"); got != "{\n  \"projects\": []\n}\n" {
		t.Errorf("got %q", got)
	}
}

func TestVersionAndHelp(t *testing.T) {
	sh := newShell(t)
	var v map[string]string
	if err := json.Unmarshal([]byte(sh.ok("version", "--json")), &v); err != nil || v["version"] != "v1.2.3" || v["go_version"] == "" || v["platform"] == "" || len(v) != 3 {
		t.Errorf("got %v, %v", v, err)
	}
	if got := sh.ok("version"); !strings.HasPrefix(got, "lodge v1.2.3 (go") || strings.Count(got, "\n") != 1 {
		t.Errorf("got %q", got)
	}
	if got := sh.ok("--version"); got != "lodge v1.2.3\n" {
		t.Errorf("got %q", got)
	}
	help := sh.ok()
	for _, cmd := range []string{"up", "down", "restart", "run", "exec", "wait", "ls", "logs", "open", "ports", "explain", "probe", "top", "trust", "setup", "doctor", "version", "completion", "daemon"} {
		if !strings.Contains(help, "\n  "+cmd+" ") {
			t.Errorf("help does not name %s", cmd)
		}
		if got := sh.ok(cmd, "--help"); !strings.Contains(got, "Usage:") {
			t.Errorf("%s --help: %q", cmd, got)
		}
	}
	for _, cmd := range []string{"keeper"} {
		if strings.Contains(help, "\n  "+cmd+" ") {
			t.Errorf("help names %s, which is not for people", cmd)
		}
	}
	if _, err := os.Lstat(sh.socket()); err == nil {
		t.Error("a daemon was started for that")
	}
}

func TestCompletion(t *testing.T) {
	sh := newShell(t)
	for _, name := range []string{"bash", "zsh", "fish"} {
		script := sh.ok("completion", name)
		if !strings.Contains(script, "lodge") {
			t.Errorf("%s: %d bytes", name, len(script))
		}
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		file := filepath.Join(sh.base, "completion")
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(path, "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if code, stdout, stderr := sh.run("completion", "tcsh"); code != kit.ExitUsage || stdout != "" || !strings.Contains(stderr, "bash, fish, powershell, zsh") {
		t.Errorf("for a shell that it does not know: %d, %q, %q", code, stdout, stderr)
	}
	if got := sh.ok("__complete", "lo"); !strings.Contains(got, "logs") {
		t.Errorf("got %q", got)
	}
}

func TestOutputThatNobodyReads(t *testing.T) {
	sh := newShell(t)
	for _, args := range [][]string{{"ls", "--json"}, {"version", "--json"}, {"doctor", "--json"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		er, ew, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		code := Run(t.Context(), sh.environ(nil, w, ew, args))
		_, _ = w.Close(), ew.Close()
		b := make([]byte, 4096)
		n, _ := er.Read(b)
		_ = er.Close()
		if code != kit.ExitNotDone {
			t.Errorf("%v: %d", args, code)
		}
		one(t, string(b[:n]), "print: ", "")
	}
}

func TestDirectoriesThatCannotBeUsed(t *testing.T) {
	sh := newShell(t)
	for _, variable := range []string{"XDG_RUNTIME_DIR", "XDG_STATE_HOME"} {
		other := *sh
		other.env = append(append([]string(nil), sh.env...), variable+"=/dev/null")
		code, stdout, stderr := other.run("ls")
		if code != kit.ExitNotDone || stdout != "" {
			t.Errorf("%d, %q", code, stdout)
		}
		one(t, stderr, "/dev/null", "set XDG_RUNTIME_DIR and XDG_STATE_HOME")
	}
	if os.Geteuid() == 0 {
		theirs := filepath.Join(sh.base, "theirs")
		if err := os.MkdirAll(filepath.Join(theirs, "lodge"), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Join(theirs, "lodge"), 65534, 65534); err != nil {
			t.Fatal(err)
		}
		other := *sh
		other.env = append(append([]string(nil), sh.env...), "XDG_STATE_HOME="+theirs)
		code, _, stderr := other.run("ls")
		if code != kit.ExitNotDone {
			t.Error(code)
		}
		one(t, stderr, "it belongs to user 65534", "set XDG_RUNTIME_DIR and XDG_STATE_HOME")
		if left, _ := os.ReadDir(filepath.Join(theirs, "lodge")); len(left) > 0 {
			t.Errorf("something was written there: %v", left)
		}
	}
}

// Every command says how it is used, by an example.
func TestHelpHasExamples(t *testing.T) {
	for _, c := range documentedTree().Commands() {
		if c.Hidden {
			continue
		}
		if c.Short == "" || !strings.Contains(c.Example, "lodge "+c.Name()) {
			t.Errorf("%s: no example of it in its help", c.Name())
		}
		for line := range strings.SplitSeq(c.Long+"\n"+c.Example, "\n") {
			if len([]rune(line)) > 140 {
				t.Errorf("%s: a line of %d columns in its help: %s", c.Name(), len([]rune(line)), line)
			}
		}
	}
}
