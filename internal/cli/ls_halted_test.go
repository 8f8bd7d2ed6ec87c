package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/stall/stalltest"
)

// A service that is stopped by a signal is listed with that, and with what makes
// it run again.
func TestAStoppedService(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", "version = 1\n[services.web]\ncommand = \"sh -c 'echo hello; exec sleep 1000'\"\nready = { log = \"hello\" }\n")
	sh.ok("up", "-d", "--engine", "none")
	pid := sh.list().Projects[0].Services[0].PID
	stalltest.Stop(t, pid)
	hint := fmt.Sprintf("kill -CONT %d", pid)
	if _, stdout, _ := sh.run("ls"); !strings.Contains(stdout, hint) {
		t.Errorf("ls: %q", stdout)
	}
	said := func() bool {
		return slices.ContainsFunc(sh.list().Projects[0].Services[0].Warnings, func(w string) bool { return strings.Contains(w, hint) })
	}
	if !said() {
		t.Error("ls --json says nothing of it")
	}
	if err := unix.Kill(pid, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if !within(func() bool { return !said() }) {
		t.Error("ls --json still says that it is stopped")
	}
}
