package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// onTerminal runs a command line whose input is a terminal with somebody who
// answers.
func (sh *shell) onTerminal(t *testing.T, answer string, args ...string) (int, string) {
	t.Helper()
	p, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := os.CreateTemp(sh.base, "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := p.WriteString(answer); err != nil {
		t.Fatal(err)
	}
	code := Run(t.Context(), sh.environ(tty, out, out, args))
	_ = tty.Close()
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, string(b)
}

// TestExplainProject: the bare name of a project that is up is the project's.
func TestExplainProject(t *testing.T) {
	sh := newShell(t)
	sh.upSleeping()
	sh.dir = sh.base
	if got := sh.ok("explain", "shop"); !strings.HasPrefix(got, "shop.localhost is the name of") {
		t.Error(got)
	}
	sh.ok("down", "--project", "shop")
}
