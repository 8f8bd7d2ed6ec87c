package cli

import (
	"strings"
	"testing"

	"lodge/internal/cli/kit"
)

func TestWait(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", `version = 1
[services.job]
command = "true"
restart = "never"
[services.web]
command = "sleep 1000"
ready = { command = "test -e go" }
[services.bad]
command = "sh -c 'kill -KILL $$'"
restart = "never"
`)
	code, _, stderr := sh.run("wait", "web")
	if code != kit.ExitNotDone || !strings.Contains(stderr, "is not up") {
		t.Errorf("wait for what is not up: %d, %q", code, stderr)
	}
	code, _, stderr = sh.run("wait", "web", "--timeout", "0.2")
	if code != kit.ExitNotDone || !strings.Contains(stderr, "not up after 200ms") {
		t.Errorf("wait for what does not come up: %d, %q", code, stderr)
	}
	upped := make(chan int, 1)
	go func() {
		code, _, _ := sh.run("up", "-d", "--engine", "none")
		upped <- code
	}()
	sh.ok("wait", "job", "--timeout", "30s")
	code, _, stderr = sh.run("wait", "web", "job", "--timeout", "1ms")
	if code != kit.ExitNotDone || !strings.Contains(stderr, "1ms") {
		t.Errorf("wait for one that is not ready: %d, %q", code, stderr)
	}
	if code, _, stderr := sh.run("wait", "nobody", "--timeout", "30s"); code != kit.ExitUsage || !strings.Contains(stderr, "there are: job, web, bad") {
		t.Errorf("wait for no service: %d, %q", code, stderr)
	}
	for _, usage := range []string{"x", "-1s", "0"} {
		if code, _, _ := sh.run("wait", "--timeout="+usage); code != kit.ExitUsage {
			t.Errorf("--timeout %s: %d", usage, code)
		}
	}
	if code, _, stderr := sh.run("wait", "bad", "--timeout", "30s"); code != kit.ExitNotDone || !strings.Contains(stderr, "ended with signal SIGKILL") || !strings.Contains(stderr, "lodge logs bad") {
		t.Errorf("wait for one that fails: %d, %q", code, stderr)
	}
	sh.write("go", "")
	sh.ok("wait", "web", "job")
	if code := <-upped; code != kit.ExitNotDone {
		t.Errorf("up: %d", code)
	}
	code, stdout, _ := sh.run("up", "--json", "--engine", "none")
	for _, want := range []string{`"exit_status": 137`, `"signal": "SIGKILL"`, `"reason": "ended with signal SIGKILL"`, `"state": "ready"`} {
		if code != kit.ExitNotDone || !strings.Contains(stdout, want) {
			t.Errorf("up --json: %d, no %s in %s", code, want, stdout)
		}
	}
	if code, stdout, _ := sh.run("restart", "--json", "web"); code != 0 || !strings.Contains(stdout, `"projects": [`) {
		t.Errorf("restart --json: %d, %s", code, stdout)
	}
	sh.ok("down")
}
