package cli

import (
	"os"
	"strings"
	"testing"
)

// TestCompletedWords: names of services come from the file here and from what is up,
// and asking for them starts nothing.
func TestCompletedWords(t *testing.T) {
	sh := newShell(t)
	words := func(args ...string) string {
		code, out, _ := sh.run(append([]string{"__complete"}, args...)...)
		if code != 0 {
			t.Errorf("%v: %d", args, code)
		}
		out, _, _ = strings.Cut(out, ":4\n") // cobra's word for: no names of files
		return strings.Join(strings.Fields(out), " ")
	}
	sh.write("lodge.toml", "[services.web]\ncommand = \"sleep 1000\"\nready = false\n[services.db]\ncommand = \"sleep 1000\"\nready = false\n")
	for _, c := range [][]string{{"db web", "logs", ""}, {"web", "up", "w"}, {"web", "restart", "db", ""}, {"", "open", "db", ""}, {"db web", "exec", "--as", ""}} {
		if got := words(c[1:]...); got != c[0] {
			t.Errorf("%v: %q", c[1:], got)
		}
	}
	if _, err := os.Lstat(sh.socket()); err == nil {
		t.Error("a daemon was started for that")
	}
	sh.ok("up", "-d", "--engine", "none", "web")
	sh.dir = sh.base
	for _, c := range [][]string{{"shop/db shop/web", "logs", ""}, {"shop/web", "down", "shop/w"}, {"shop", "down", "--project", ""}, {"db web", "wait", "--project", "shop", ""}} {
		if got := words(c[1:]...); got != c[0] {
			t.Errorf("from elsewhere, %v: %q", c[1:], got)
		}
	}
	sh.ok("down", "--all")
}
