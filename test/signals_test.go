package test

import (
	"strings"
	"syscall"
	"testing"
)

// deaf is a service that nothing but SIGKILL ends within a test.
const deaf = `version = 1
[services.deaf]
command = ["sh", "-c", "trap '' TERM INT HUP; echo deaf-up; while ! test -e over; do sleep 0.1; done"]
ready = { log = "deaf-up" }
stop_grace = "1h"
`

// A signal ends an attached up, and with it what it started. Its exit status
// says that it was a signal.
func TestSignalsEndUp(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("shop", "lodge.toml", config("web", peerBin+" http :8741 web"))
		for _, c := range []struct {
			sig  syscall.Signal
			code int
		}{{syscall.SIGTERM, 143}, {syscall.SIGHUP, 129}, {syscall.SIGQUIT, 131}} {
			up := p.start("up")
			awaitOutput(t, up, "listening on")
			up.signal(c.sig)
			if r := up.wait(); r.code != c.code || strings.Contains(r.stderr, "goroutine") {
				t.Errorf("%v: %v", c.sig, r)
			}
			if q, ok := p.info(); ok {
				t.Errorf("ls after %v: %+v", c.sig, q)
			}
		}
	})
}

// Ctrl-\ kills what would take its time, also while Ctrl-C waits for it; a
// second Ctrl-C leaves at once.
func TestASecondSignal(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("shop", "lodge.toml", deaf)
		for _, c := range []struct {
			name  string
			sigs  []syscall.Signal
			code  int
			stays bool
		}{
			{"quit", []syscall.Signal{syscall.SIGQUIT}, 131, false},
			{"interrupt, quit", []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT}, 130, false},
			{"interrupt, interrupt", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 130, true},
		} {
			up := p.start("up")
			awaitOutput(t, up, "deaf-up")
			for i, sig := range c.sigs {
				up.signal(sig)
				if i == 0 && len(c.sigs) > 1 {
					eventually(t, func() string {
						if strings.Contains(up.stderr(), "again to leave at once") {
							return ""
						}
						return "up says " + up.stderr()
					})
				}
			}
			if r := up.wait(); r.code != c.code {
				t.Errorf("%s: %v", c.name, r)
			}
			if _, ok := p.info(); ok != c.stays {
				t.Errorf("%s: up afterwards: %v", c.name, ok)
			}
		}
		// Without lodge the stop goes on as it was asked for.
		p.write("over", "")
		eventually(t, func() string {
			if q, ok := p.info(); ok {
				return "still up: " + q.Home.String()
			}
			return ""
		})
	})
}

// `lodge logs -f | head -1` ends when head does, not at the next line.
func TestLogsEndWithTheirReader(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("shop", "lodge.toml", config("web", peerBin+" http :8742 web"))
		p.up()
		r := e.as(e.environ, p.dir, "sh", "-c", `"$0" logs -f | head -n 1`, e.bin)
		if r.code != 0 || !strings.Contains(r.stdout, "listening on") {
			t.Errorf("got %v", r)
		}
	})
}
