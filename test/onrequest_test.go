package test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// waitsForGo is a service that says when it starts, and listens when there is a
// file called go.
const waitsForGo = `echo started; while [ ! -e go ]; do sleep 0.02; done; exec `

// The first requests start the service, and wait for it; when nobody has used
// it for a while it ends, and the next request starts it again.
func TestStartOnRequest(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("lazy", "web.sh", waitsForGo+peerBin+" http :8150 'page of web'\n", "bad.sh", "echo started; echo 'no such table'; exit 3\n",
			"lodge.toml", `version = 1
[services.web]
command = "sh web.sh"
start = "on-request"
idle = "2s"
[services.bad]
command = "sh bad.sh"
start = "on-request"
restart = "never"
`)
		p.up()
		state := func(service, want string) {
			t.Helper()
			eventually(t, func() string {
				if s, _ := p.service(service); s.State != want {
					return fmt.Sprintf("%s is %s, want %s", service, s.State, want)
				}
				return ""
			})
		}
		started := func(service string) int { return strings.Count(p.lodge("logs", service).ok(t), "started") }
		state("web", "idle")
		if n := started("web"); n != 0 {
			t.Errorf("it was started %d times before anybody asked", n)
		}
		url := p.urlOf("web")
		clients := []*http.Client{e.byName(1), e.byName(2)}
		var asked sync.WaitGroup
		for _, c := range clients {
			asked.Go(func() {
				if got, err := fetch(c, url); err != nil || !strings.HasPrefix(got, "page of web") {
					t.Errorf("while it starts: %q, %v", got, err)
				}
			})
		}
		state("web", "starting")
		p.write("go", "")
		asked.Wait()
		if n := started("web"); n != 1 {
			t.Errorf("two requests at once started it %d times", n)
		}
		// Connections that are kept, but carry nothing, are no use of it.
		state("web", "idle")
		if got := read(t, clients[0], url); !strings.HasPrefix(got, "page of web") {
			t.Errorf("after it was idle: %q", got)
		}
		if n := started("web"); n != 2 {
			t.Errorf("it was started %d times, want twice", n)
		}

		// One that cannot start is not held for longer than it takes to know.
		resp, err := clients[1].Get(p.urlOf("bad"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusBadGateway || !strings.Contains(string(b), "no such table") || !strings.Contains(string(b), "lodge up bad") || err != nil {
			t.Errorf("a service that fails when it is asked for: %s, %s, %v", resp.Status, b, err)
		}
	})
}

// A service is restarted under load, and no request through its name fails.
func TestRestartUnderLoad(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("busy", "lodge.toml", config("web", peerBin+" http :8160 'page of web'"))
		p.up()
		url := p.urlOf("web")
		stop := make(chan struct{})
		var asked sync.WaitGroup
		var n atomic.Int64
		for _, version := range []int{1, 1, 2, 2} {
			c := e.byName(version)
			asked.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if got, err := fetch(c, url); err != nil || !strings.HasPrefix(got, "page of web") {
						t.Errorf("HTTP/%d, request %d: %q, %v", version, n.Load(), got, err)
						return
					}
					n.Add(1)
				}
			})
		}
		pids := make(map[int]bool)
		for range 5 {
			before := n.Load()
			eventually(t, func() string {
				if n.Load() < before+100 {
					return "too few requests were answered"
				}
				return ""
			})
			p.lodge("restart", "web").ok(t)
			s, _ := p.service("web")
			pids[s.PID] = true
		}
		close(stop)
		asked.Wait()
		if len(pids) != 5 {
			t.Errorf("five restarts made %d processes", len(pids))
		}
	})
}
