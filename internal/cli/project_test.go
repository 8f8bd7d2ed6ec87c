package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/logs"
	"lodge/internal/service"
)

const shopConfig = `version = 1
name = "shop"
[services.db]
command = "sh -c 'echo db says hello; exec sleep 1000'"
ready = false
[services.web]
command = "sh -c 'echo web says hello; exec sleep 1000'"
needs = ["db"]
ready = { log = "hello" }
`

func (sh *shell) list(args ...string) localapi.Projects {
	sh.t.Helper()
	var ps localapi.Projects
	if err := json.Unmarshal([]byte(sh.ok(append([]string{"ls", "--json"}, args...)...)), &ps); err != nil {
		sh.t.Fatal(err)
	}
	return ps
}

func TestAProjectsLife(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", shopConfig)
	out := sh.ok("up", "-d", "--engine", "none")
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if len(lines) != 3 || strings.Join(strings.Fields(lines[0]), " ") != "PROJECT SERVICE STATE HOME PORTS ENGINE PID UP NAME" ||
		!strings.HasPrefix(strings.Join(strings.Fields(lines[1]), " "), "shop db ready 127.") || !strings.Contains(lines[2], "none") {
		t.Errorf("up -d: %q", out)
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colour in a pipe")
	}
	if got := sh.ok("ls"); strings.Count(got, "\n") != 3 {
		t.Errorf("ls: %q", got)
	}
	if code, _, stderr := sh.run("up", "-d"); code != 0 || !strings.Contains(stderr, "shop was up already") {
		t.Errorf("up again: %d, %s", code, stderr)
	}
	before := sh.list().Projects[0].Services
	if got := sh.ok("logs"); !strings.Contains(got, "db     | db says hello\n") || !strings.Contains(got, "web    | web says hello\n") {
		t.Errorf("logs: %q", got)
	}
	if got := sh.ok("logs", "web", "-n", "1"); got != "web    | web says hello\n" {
		t.Errorf("logs web: %q", got)
	}
	sh.ok("restart", "web")
	after := sh.list().Projects[0].Services
	if after[0].PID != before[0].PID || after[1].PID == before[1].PID || after[1].Restarts != 1 {
		t.Errorf("restart: %+v after %+v", after, before)
	}
	// lodge.toml as it is now counts.
	sh.write("lodge.toml", strings.Replace(shopConfig, "db says hello", "db says more", 1))
	sh.ok("restart", "db")
	// It is ready as soon as it runs, which is before it says so.
	got := sh.ok("logs", "db")
	for end := time.Now().Add(20 * time.Second); !strings.Contains(got, "db says more"); got = sh.ok("logs", "db") {
		if time.Now().After(end) {
			t.Fatalf("after another lodge.toml: %q", got)
		}
	}
	code, _, stderr := sh.run("restart", "none")
	if code != kit.ExitNotDone {
		t.Error(code)
	}
	one(t, stderr, "find service none: shop has no such service", "there are: db, web")
	sh.ok("down", "web")
	if st := sh.list().Projects[0].Services; st[0].State != service.Up || st[1].State != service.Stopped {
		t.Errorf("down web: %+v", st)
	}
	if code, _, stderr := sh.run("down"); code != 0 || stderr != "shop is down\n" {
		t.Errorf("down: %d, %q", code, stderr)
	}
	for _, st := range append(before, after...) {
		if !gone(st.PID) {
			t.Errorf("process %d is left", st.PID)
		}
	}
	// What they said can be read afterwards.
	var l logs.Line
	first, _, _ := strings.Cut(sh.ok("logs", "db", "--json"), "\n")
	if err := json.Unmarshal([]byte(first), &l); err != nil || l.Service != "db" || l.Text != "db says hello" || l.Time.IsZero() {
		t.Errorf("logs --json: %q, %v", first, err)
	}
	if ps := sh.list("--all").Projects; len(ps) != 1 || ps[0].State != "down" || ps[0].Home == "" {
		t.Errorf("ls --all: %+v", ps)
	}
	if ps := sh.list().Projects; len(ps) != 0 {
		t.Errorf("ls: %+v", ps)
	}
}

// fields lists the names in a JSON value, with their places.
func fields(v any, at string, out map[string]bool) {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			out[at+k] = true
			fields(e, at+k+".", out)
		}
	case []any:
		for _, e := range x {
			fields(e, at, out)
		}
	}
}

// The names are part of the interface: they do not change without a version.
func TestFieldsOfLsJSON(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", `version = 1
name = "shop"
default = "web"
[services.web]
command = "python3 -m http.server 8731 --bind 127.0.0.1"
http = 8731
[services.bad]
command = "sh -c 'exit 3'"
needs = ["web"]
restart = "never"
`)
	if _, err := service.LookPath("python3", "/", sh.env); err != nil {
		t.Skip("needs python3, to listen somewhere: " + err.Error())
	}
	code, _, stderr := sh.run("up", "-d", "--engine", "none")
	if code != kit.ExitNotDone || !strings.Contains(stderr, "lodge: start service bad: ended with status 3") {
		t.Fatalf("up: %d, %s", code, stderr)
	}
	var v any
	if err := json.Unmarshal([]byte(sh.ok("ls", "--json")), &v); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	fields(v, "", got)
	var names []string
	for n := range got {
		names = append(names, n)
	}
	slices.Sort(names)
	b, err := os.ReadFile("testdata/ls.fields")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSpace(string(b)); strings.Join(names, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(names, "\n"), want)
	}
}

func TestUpThatFails(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", "version = 1\n[services.web]\ncommand = \"sh -c 'echo first; echo last; exit 3'\"\nrestart = \"never\"\n")
	for _, args := range [][]string{{"up", "-d"}, {"up"}} {
		code, _, stderr := sh.run(append(args, "--engine", "none")...)
		if code != kit.ExitNotDone || !strings.HasSuffix(stderr, "\n") || !strings.Contains(stderr, "lodge: start service web: ended with status 3") {
			t.Errorf("%v: %d, %q", args, code, stderr)
		}
	}
	code, _, stderr := sh.run("up", "-d", "--engine", "none")
	if line, rest, ok := strings.Cut(stderr, "\n"); ok && strings.HasPrefix(line, "waiting for ") {
		stderr = rest // the machine was slow
	}
	if want := "web | first\nweb | last\nlodge: start service web: ended with status 3 (hint: lodge logs web)\n"; code != kit.ExitNotDone || stderr != want {
		t.Errorf("got %d, %q, want %q", code, stderr, want)
	}
}

func TestUpAttachedEndsWithItsServices(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", "version = 1\n[services.one]\ncommand = \"echo from one\"\n[services.two]\ncommand = \"echo from two\"\nneeds = [\"one\"]\n")
	code, stdout, stderr := sh.run("up", "--engine", "none")
	if code != 0 || !strings.Contains(stdout, "one    | from one\n") || !strings.Contains(stdout, "two    | from two\n") {
		t.Errorf("%d, %q, %q", code, stdout, stderr)
	}
	if ps := sh.list().Projects; len(ps) != 0 {
		t.Errorf("left: %+v", ps)
	}
}

func TestRunAndExec(t *testing.T) {
	for _, engine := range []string{"none", "seccomp"} {
		t.Run(engine, func(t *testing.T) {
			sh := newShell(t)
			for _, verb := range []string{"run", "exec"} {
				code, stdout, stderr := sh.runInput("word\n", verb, "--engine", engine, "--", "sh", "-c", `read l; echo "$l in $LODGE_PROJECT"; pwd; echo bad >&2; exit 9`)
				if want := "word in shop\n" + sh.dir + "\n"; code != 9 || stdout != want || stderr != "bad\n" {
					t.Errorf("%s: %d, %q, %q", verb, code, stdout, stderr)
				}
				if code, _, _ := sh.run(verb, "--engine", engine, "sh", "-c", "kill -TERM $$"); code != 143 {
					t.Errorf("%s: a signal gives %d", verb, code)
				}
				// Flags after the command are the command's.
				if code, stdout, _ := sh.run(verb, "--engine", engine, "echo", "--json", "-x"); code != 0 || stdout != "--json -x\n" {
					t.Errorf("%s: %d, %q", verb, code, stdout)
				}
				code, _, stderr = sh.run(verb, "--engine", engine, "--", "lodge-no-such")
				if code != 127 {
					t.Error(code)
				}
				one(t, stderr, `command "lodge-no-such" not found in PATH (`, "check the spelling")
			}
			if got := sh.ok("logs", "sh"); !strings.Contains(got, "sh     | word in shop\n") {
				t.Errorf("the log of run: %q", got)
			}
		})
	}
}

func TestExecOneAfterTheOther(t *testing.T) {
	sh := newShell(t)
	for i := range 30 { // the keeper ends, and comes again, between some of them
		if got := sh.ok("exec", "--engine", "none", "--", "echo", fmt.Sprint(i)); got != fmt.Sprintln(i) {
			t.Errorf("%d: %q", i, got)
		}
	}
}

func TestOtherWishesForAProjectThatIsUp(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", shopConfig)
	sh.ok("up", "-d", "--engine", "none", "db")
	for line, want := range map[string]string{
		"exec --engine seccomp -- true":   "use engine seccomp: project shop runs with none",
		"exec --isolation strict -- true": "use isolation strict: project shop runs with overlay",
	} {
		code, _, stderr := sh.run(strings.Fields(line)...)
		if code != kit.ExitNotDone {
			t.Error(code)
		}
		one(t, stderr, want, "lodge down")
	}
	sub := filepath.Join(sh.dir, "a", "b")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	sh.dir = sub // below, it is the same project
	if got := sh.ok("exec", "--", "sh", "-c", "pwd; echo $LODGE_PROJECT"); got != sub+"\nshop\n" {
		t.Errorf("got %q", got)
	}
}

func TestDoctor(t *testing.T) {
	sh := newShell(t)
	var d localapi.Doctor
	if err := json.Unmarshal([]byte(sh.ok("doctor", "--json")), &d); err != nil || len(d.Capabilities) < 5 {
		t.Fatalf("%+v, %v", d, err)
	}
	text := sh.ok("doctor")
	for _, c := range d.Capabilities {
		if c.Reason == "" || !strings.Contains(text, c.Name) {
			t.Errorf("%+v", c)
		}
	}
}
