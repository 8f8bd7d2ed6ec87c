package cli

import (
	"strings"
	"testing"

	"lodge/internal/cli/kit"
)

func TestEventsOfACommandLine(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", "version = 1\n[services.web]\ncommand = \"sleep 1000\"\nready = false\n")
	sh.ok("up", "-d")
	out := sh.ok("events", "--since", "0", "--follow=false", "shop/web")
	if !strings.Contains(out, "ready") || strings.Contains(out, "shop.test leads") {
		t.Errorf("got %s", out)
	}
	if all := sh.ok("events", "--since", "0", "--follow=false", "--json"); !strings.HasPrefix(all, `{"stream":"`) || !strings.Contains(all, `"kind":"name"`) {
		t.Errorf("got %s", all)
	}
	for _, bad := range [][]string{{"colour=red"}, {"--since", "yesterday"}} {
		hint := map[string]string{"colour=red": "the keys are kind", "yesterday": "lodge events"}[bad[len(bad)-1]]
		code, _, stderr := sh.run(append([]string{"events"}, bad...)...)
		if code != kit.ExitUsage {
			t.Errorf("%v: %d", bad, code)
		}
		one(t, stderr, bad[len(bad)-1], hint)
	}
}
