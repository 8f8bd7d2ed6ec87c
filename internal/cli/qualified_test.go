package cli

import (
	"testing"
)

func TestQualifiedCommands(t *testing.T) {
	sh := newShell(t)
	pid := sh.upSleeping()
	name := "shop/" + sh.list().Projects[0].Services[0].Name
	sh.dir = sh.base
	sh.ok("logs", name)
	sh.ok("restart", name)
	if !gone(pid) {
		t.Error("restart did nothing")
	}
	sh.ok("wait", name)
	if got := sh.ok("exec", "--as", name, "--", "sh", "-c", "echo $LODGE_PROJECT"); got != "shop\n" {
		t.Errorf("exec: %q", got)
	}
	sh.ok("down", name)
}
