package project

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/internal/project/syntax"
)

// resolved loads a project from files and resolves its variables.
func resolved(t *testing.T, files map[string]string, environ ...string) (*Project, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Load(dir)
	if err != nil {
		return nil, err
	}
	return p, p.Resolve(environ)
}

func TestResolveOrder(t *testing.T) {
	files := map[string]string{
		"lodge.toml": `
env = { TABLE = "project", OWN = "project", FROM = "${DOT}-${SHELL_ONLY}", CHAIN = "${FROM}!" }
[services.web]
command = "run"
env_file = ["web.env", "sub/more.env"]
env = { OWN = "web", SEES = "${FILE} ${TABLE} ${BOTH}", PATH = "${PATH}:bin", DEFAULT = "${NOWHERE:-d}", LIT = "$$HOME $5", DIR = "${project.dir}" }
[services.db]
command = "run"
`,
		".env":         "DOT=dot\nBOTH=dot\nTABLE=dot\nFILE=dot\n",
		"web.env":      "FILE=first\nLATE=${FILE}+${DOT}\n",
		"sub/more.env": "FILE=second\nTABLE=file\n",
	}
	p, err := resolved(t, files, "BOTH=shell", "SHELL_ONLY=sh", "PATH=/bin", "OWN=shell", "FILE=shell")
	if err != nil {
		t.Fatal(err)
	}
	web, _ := p.Service("web")
	want := map[string]string{
		"DOT": "dot", "BOTH": "shell", "TABLE": "file", "FILE": "second", "LATE": "shell+dot", "OWN": "web", "FROM": "dot-sh", "CHAIN": "dot-sh!",
		"SEES": "second file shell", "PATH": "/bin:bin", "DEFAULT": "d", "LIT": "$$HOME $$5", "DIR": p.Dir,
	}
	for name, v := range want {
		if web.Env[name] != v {
			t.Errorf("web: %s is %q, want %q", name, web.Env[name], v)
		}
	}
	if len(web.Env) != len(want) || len(web.EnvNames) != len(want) {
		t.Errorf("web has %q, %v", web.Env, web.EnvNames)
	}
	db, _ := p.Service("db")
	if db.Env["OWN"] != "project" || db.Env["BOTH"] != "shell" || db.Env["FILE"] != "shell" || db.Env["TABLE"] != "project" {
		t.Errorf("db has %q", db.Env)
	}
	if p.Env["OWN"] != "project" || !slices.Contains(p.Environ(), "DOT=dot") {
		t.Errorf("the project has %q", p.Env)
	}
}

func TestResolveFiles(t *testing.T) {
	service := "[services.web]\ncommand = \"run\"\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // of A
	}{
		{"default", map[string]string{"lodge.toml": service, ".env": "A=1"}, "1"},
		{"none", map[string]string{"lodge.toml": "env_file = []\n" + service, ".env": "A=1"}, ""},
		{"another in its place", map[string]string{"lodge.toml": "env_file = 'b'\n" + service, ".env": "A=1", "b": "B=2"}, ""},
		{"several", map[string]string{"lodge.toml": "env_file = ['.env', 'b']\n" + service, ".env": "A=1", "b": "A=2"}, "2"},
		{"missing and not required", map[string]string{"lodge.toml": "env_file = ['.env', { path = 'c', required = false }]\n" + service, ".env": "A=1"}, "1"},
		{"none for the service", map[string]string{"lodge.toml": service + "env_file = []", ".env": "A=1"}, ""},
		{"a directory of that name", map[string]string{"lodge.toml": service, ".env/bin/python": ""}, ""},
		{"Windows", map[string]string{"lodge.toml": "\xef\xbb\xbf" + strings.ReplaceAll(service, "\n", "\r\n"), ".env": "\xef\xbb\xbfA=1\r\n"}, "1"},
		{"a Procfile's stays as it is", map[string]string{"Procfile": "web: run", ".env": "A=${A}"}, "${A}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := resolved(t, c.files)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Services[0].Env["A"]; got != c.want {
				t.Errorf("A is %q, want %q", got, c.want)
			}
		})
	}
}

// What lodge gives is known only when a service starts: the references stay.
func TestResolveWhatLodgeGives(t *testing.T) {
	p, err := resolved(t, map[string]string{"lodge.toml": `
env = { H = "${LODGE_HOME} ${home}" }
[services.my-db]
command = "run"
[services.web]
command = "run"
port = "auto"
needs = ["my-db"]
env = { A = "${MY_DB_URL}/x?p=${PORT}", B = "$MY_DB_PORT" }
`, ".env": "PORT=3000\n"}, "PORT=1", "MY_DB_URL=http://another.checkout")
	if err != nil {
		t.Fatal(err)
	}
	web, _ := p.Service("web")
	if web.Env["A"] != "${my-db.url}/x?p=${web.port}" || web.Env["B"] != "${my-db.port}" || web.Env["H"] != "${home} ${home}" || web.Env["PORT"] != "" {
		t.Errorf("got %q", web.Env)
	}
}

func TestResolveErrors(t *testing.T) {
	service := "[services.web]\ncommand = \"run\"\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"unset", map[string]string{"lodge.toml": service + `env = { B = "ab${NOPE}" }`},
			`lodge.toml:3:16: services.web.env.B: NOPE is not set (set it in the environment or an env file, or write ${NOPE:-default}; $$ is a literal $)`},
		{"unset without braces", map[string]string{"lodge.toml": "env.B = 'x $NOPE'\n" + service},
			`lodge.toml:1:12: env.B: NOPE is not set (set it in the environment or an env file, or write ${NOPE:-default}; $$ is a literal $)`},
		{"required", map[string]string{"lodge.toml": service + "[services.web.env]\nB = \"${NOPE:?run make secrets}\""},
			`lodge.toml:4:6: services.web.env.B: NOPE is not set: run make secrets`},
		{"below", map[string]string{"lodge.toml": service + `env = { A = "${B}", B = "1" }`},
			`lodge.toml:3:14: services.web.env.A: B is not set (B is set below: a variable sees those above it)`},
		{"another service", map[string]string{"lodge.toml": "env.B = \"x${web.port}\"\n" + service},
			`lodge.toml:1:11: env.B: ${web.port} is known only to services that need web: write it in their env`},
		{"no such file", map[string]string{"lodge.toml": service + "env_file = [\n  'a.env',\n]", ".env": ""},
			`lodge.toml:4:3: services.web.env_file[0]: there is no file "a.env" (write { path = …, required = false } for one that may be missing)`},
		{"a file's line", map[string]string{"lodge.toml": "env_file = 'conf/a.env'\n" + service, "conf/a.env": "A=1\n\njunk\n"},
			`conf/a.env:3:1: the line beginning with "junk" is not NAME=VALUE`},
		{"a file's variable", map[string]string{"lodge.toml": service, ".env": "A=1\nB=\"x\n${NOPE}\"\n"},
			`.env:3:1: B: NOPE is not set (set it in the environment or an env file, or write ${NOPE:-default}; single quotes keep it as it stands)`},
		{"a file refers to a service", map[string]string{"lodge.toml": service, ".env": "A=${web.port}"},
			`.env:1:3: A: ${web.port} is known to lodge.toml only (write it there, in env; single quotes keep it as it stands)`},
		{"unknown key", map[string]string{"lodge.toml": service + "env_file = { file = 'x' }"},
			`lodge.toml:3:14: services.web.env_file: unknown key "file" (known here: path, required)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := resolved(t, c.files)
			var e *syntax.Error
			if !errors.As(err, &e) || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}
