package project

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEnvBounds(t *testing.T) {
	const service = "[services.web]\ncommand = \"run\"\n"
	table := func(lines string) map[string]string {
		return map[string]string{"lodge.toml": service + "[services.web.env]\n" + lines}
	}
	file := func(text string) map[string]string { return map[string]string{"lodge.toml": service, ".env": text} }
	nested := strings.Repeat("${B:-", 30_000) + "x" + strings.Repeat("}", 30_000)
	doubled := "A=aaaaaaaaaaaaaaaa\n" + strings.Repeat("A=\"${A}${A}\"\n", 40)
	var grown strings.Builder
	grown.WriteString("A = \"aaaaaaaaaaaaaaaa\"\n")
	for i := range 40 {
		from := "A"
		if i > 0 {
			from = "A" + strings.Repeat("x", i-1) + "_"
		}
		grown.WriteString("A" + strings.Repeat("x", i) + "_ = \"${" + from + "}${" + from + "}\"\n")
	}
	full := strings.Repeat("x", 100<<10)
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"doubled", file(doubled), ".env:14:3: A: the value is larger than 128 KiB (Linux passes"},
		{"doubled in env", table(grown.String()), "services.web.env.Axxxxxxxxxxxx_: the value is larger than 128 KiB (Linux"},
		{"many on a line", file("A=" + full + "\nB=" + strings.Repeat("${A}", 100_000)), ".env:2:7: B: the value is larger than 128 KiB"},
		{"literal", file("OK=1\nA='" + full + full + "'"), ".env:2:3: A: the value is larger than 128 KiB"},
		{"together", file("A=" + full + "\n" + strings.Repeat("B=${A}\n", 100_000)), ".env:62:3: B: the variables up to here are larger than 6 MiB together"},
		{"nested", file("A=" + nested), ".env:1:163: A: ${…} is nested deeper than 32 levels"},
		{"nested in quotes", file("A=\"" + nested + "\""), ".env:1:164: A: ${…} is nested deeper than 32 levels"},
		{"nested in env", table("A = \"" + nested + "\""), "lodge.toml:4:166: services.web.env.A: ${…} is nested deeper than 32 levels"},
		{"not closed", file("A=" + strings.Repeat("${", 300_000)), ".env:1:3: A: ${ is not closed by }"},
		{"references", table("A = \"" + strings.Repeat("${a", 100_000) + "\""), "lodge.toml:4:102: services.web.env.A: ${…} is nested deeper"},
	} {
		_, err := resolved(t, c.files)
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 500 {
			t.Errorf("%s: got %.500v, want %s", c.name, err, c.want)
		}
	}
	if _, err := resolved(t, file("A='"+strings.Repeat("x", 128<<10-3)+"'\n")); err != nil {
		t.Errorf("as large as may be: %.200v", err)
	}
}

// TestDotenvThatIsNoFile: what is called .env and cannot be read is an error, with
// a lodge.toml and with a Procfile.
func TestDotenvThatIsNoFile(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"a directory":   {func(p string) error { return os.Mkdir(p, 0o755) }, "not a regular file"},
		"a loop":        {func(p string) error { return os.Symlink(".env", p) }, "too many levels of symbolic links"},
		"a broken link": {func(p string) error { return os.Symlink("gone", p) }, `it is a symbolic link to "gone", which is not there`},
	} {
		for config, text := range map[string]string{"lodge.toml": "[services.web]\ncommand = \"run\"\n", "Procfile": "web: run\n"} {
			dir := t.TempDir()
			err := os.WriteFile(filepath.Join(dir, config), []byte(text), 0o644)
			if err == nil {
				err = c.make(filepath.Join(dir, ".env"))
			}
			if err != nil {
				t.Fatal(err)
			}
			p, err := Load(dir)
			if err == nil {
				err = p.Resolve(nil)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "/.env") {
				t.Errorf("%s beside %s: got %v, want %s", name, config, err, c.want)
			}
		}
	}
}

// TestLinesThatMayBeSecrets: an error about a line does not hold the line.
func TestLinesThatMayBeSecrets(t *testing.T) {
	const service = "[services.web]\ncommand = \"run\"\n"
	for _, c := range []struct{ env, want string }{
		{"KEY=-----BEGIN RSA PRIVATE KEY-----\nMIIEow1secret0000\n", `.env:2:1: the line beginning with "MIIE…" is not NAME=VALUE (quote a value of several lines)`},
		{"-----BEGIN PRIVATE KEY-----\nMIIE", `.env:1:1: the line is not NAME=VALUE (quote a value of several lines)`},
		{"MIIE1secret0000/abc==", `.env:1:1: the line beginning with "MIIE…" is not NAME=VALUE`},
		{"ab/1secret0000==", `.env:1:1: what begins with "ab" is not a variable's name: '/' is not one of A-Z, a-z, 0-9 and _`},
		{"9b1secret0000==", `.env:1:1: "9b1s…" is not a variable's name: it begins with a digit`},
		{"+1secret0000", `.env:1:1: the line is not NAME=VALUE`},
		{"hunter2 secret0000", `.env:1:1: the line beginning with "hunt…" is not NAME=VALUE`},
		{"=secret0000", `.env:1:1: a variable's name cannot be empty`},
	} {
		_, err := resolved(t, map[string]string{"lodge.toml": service, ".env": c.env})
		if err == nil || err.Error() != c.want || strings.Contains(err.Error(), "secret0000") {
			t.Errorf("%q: got %v, want %s", c.env, err, c.want)
		}
	}
}
