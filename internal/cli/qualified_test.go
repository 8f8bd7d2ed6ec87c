package cli

import (
	"slices"
	"strings"
	"testing"
)

// TestQualified: PROJECT/SERVICE names a service from anywhere.
func TestQualified(t *testing.T) {
	for line, want := range map[string]string{
		"web":              "|web",
		"":                 "|",
		"shop/web":         "shop|web",
		"shop/web shop/db": "shop|web db",
		"shop/":            "|shop/",
		"/web":             "|/web",
	} {
		a := &app{}
		got, err := a.qualified(strings.Fields(line))
		if s := a.project + "|" + strings.Join(got, " "); err != nil || s != want {
			t.Errorf("%q: %q, %v; want %q", line, s, err, want)
		}
	}
	for line, project := range map[string]string{"shop/web lib/db": "", "shop/web db": "", "db shop/web": "", "lib/web": "shop"} {
		a := &app{project: project}
		if got, err := a.qualified(strings.Fields(line)); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
	a := &app{project: "shop"}
	if got, err := a.qualified([]string{"shop/web", "db"}); err != nil || !slices.Equal(got, []string{"web", "db"}) {
		t.Errorf("%q, %v", got, err)
	}
}

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
