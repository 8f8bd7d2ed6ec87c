package test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// variables are what a command says about these.
func variables(t *testing.T, text string, names ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if name, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok && slices.Contains(names, name) {
			out[name] = v
		}
	}
	return out
}

const environmentConfig = `version = 1
env = { GREETING = "hi ${WHO:-you}" }
[services.db]
command = "python3 -m http.server 5432"
http = false
[services.web]
command = "sh -c 'env >seen.new; mv seen.new seen; exec sleep 1000'"
dir = "sub"
needs = ["db"]
ready = { command = "test -e seen" }
env_file = "web.env"
env = { DATABASE_URL = "postgres://u:${PW:?see README}@localhost:${DB_PORT}/x", AT = "${home}", DATA = "${project.dir}/data" }
`

func TestEnvironment(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("vars", "lodge.toml", environmentConfig, "web.env", "ROLE=web\n", "sub/x", "")
		r := p.lodge("up", "-d")
		if r.code != 2 || !strings.Contains(r.stderr, "lodge.toml:12:") || !strings.Contains(r.stderr, "PW is not set: see README") {
			t.Fatalf("up without a variable that is required: %v", r)
		}
		p.write(".env", "# kept out of git\nexport PW='s3 cr'\nROLE=any\n")
		p.up()
		want := map[string]string{
			"GREETING": "hi you", "PW": "s3 cr", "ROLE": "web", "DATABASE_URL": "postgres://u:s3 cr@localhost:5432/x",
			"AT": p.home("tcp", 5432).Addr().String(), "DATA": p.dir + "/data", "DB_PORT": "5432", "DB_URL": "postgres://127.0.0.1:5432",
		}
		names := []string{"GREETING", "PW", "ROLE", "DATABASE_URL", "AT", "DATA", "DB_PORT", "DB_URL"}
		check := func(who, text string, want map[string]string) {
			t.Helper()
			got := variables(t, text, names...)
			for _, name := range names {
				if got[name] != want[name] {
					t.Errorf("%s has %s=%q, want %q", who, name, got[name], want[name])
				}
			}
		}
		check("the service", p.read("sub/seen"), want)
		check("exec --as", p.lodge("exec", "--as", "web", "--", "env").ok(t), want)
		if dir := p.lodge("exec", "--as", "web", "--", "pwd").ok(t); strings.TrimSpace(dir) != p.dir+"/sub" {
			t.Errorf("exec --as web runs in %s", dir)
		}
		for _, name := range []string{"DATABASE_URL", "AT", "DATA"} {
			delete(want, name)
		}
		want["ROLE"] = "any"
		check("exec", p.exec("env"), want)

		p.write(".env", "PW=x\nnot a line\n")
		if r := p.lodge("up", "-d"); r.code != 2 || !strings.Contains(r.stderr, ".env:2:1: ") {
			t.Errorf("up with a line that cannot be read: %v", r)
		}
		// What is up can be entered, and told of what it lacks.
		if r := p.lodge("exec", "true"); r.code != 0 || !strings.Contains(r.stderr, ".env:2:1: ") {
			t.Errorf("exec with a line that cannot be read: %v", r)
		}
	})
}

func TestExecThatCannotRun(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("norun", "text", "x\n", "script", "#!/no/such/interpreter\n")
		if err := os.Chmod(p.dir+"/script", 0o755); err != nil {
			t.Fatal(err)
		}
		for cmd, want := range map[string]int{"no-such-command": 127, "./no/such": 127, "./text": 126, ".": 127, "./": 126, "./script": 127} {
			for _, verb := range []string{"exec", "run"} {
				if r := p.lodge(verb, "--", cmd); r.code != want {
					t.Errorf("%s of %s: want status %d: %v", verb, cmd, want, r)
				}
			}
		}
		if r := p.lodge("exec", "--as", "nobody", "--", "true"); r.code != 2 {
			t.Errorf("exec as a service that is none: %v", r)
		}
	})
}

// A command inside sees the user's processes as it would outside: it stays in
// the user namespace of its caller.
func TestExecStaysInItsUserNamespace(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("userns", "lodge.toml", config("web", "python3 -m http.server 8000"))
		p.up()
		out := p.lodge("exec", "readlink", "/proc/self/ns/user").ok(t)
		here, err := os.Readlink("/proc/self/ns/user")
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(out) != here {
			t.Errorf("inside it is %s, outside %s", out, here)
		}
		s, ok := p.service("web")
		if !ok || s.PID == 0 {
			t.Fatalf("no service: %+v", s)
		}
		p.lodge("exec", "sh", "-c", "ls -l /proc/$1/fd >/dev/null", "sh", itoa(s.PID)).ok(t)
	})
}
