package test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A service that is shared is reached from another machine of the network, and
// no other one is; when sharing stops, none is.
func TestShare(t *testing.T) {
	need(t, "curl")
	eachEngine(t, func(t *testing.T, e *env) {
		number := 11
		if e.engine == seccomp {
			number = 12
		}
		netns, addrs := veth(t, number)
		e.into(netns[0])
		p := e.project("shop", "lodge.toml", `version = 1
[services.web]
command = "`+peerBin+` http 127.0.0.1:8120 'page of web'"
[services.private]
command = "`+peerBin+` http 127.0.0.1:8121 'page of private'"
`)
		p.up()
		sharing := p.start("open", "--lan", "--json", "web")
		awaitOutput(t, sharing, "}\n")
		_, rest, _ := strings.Cut(sharing.stdout(), `"url": "`)
		url, _, _ := strings.Cut(rest, `"`)
		if !strings.HasPrefix(url, "http://"+addrs[0]+":") {
			t.Fatalf("shared as %q\n%s", url, sharing.stdout())
		}
		ask := func(args ...string) result {
			t.Helper()
			return finish(t, t.Context(), in(netns[1], append([]string{"curl", "--noproxy", "*", "-sS", "--max-time", "20"}, args...)...))
		}
		if r := ask(url); !strings.Contains(r.stdout, "page of web") {
			t.Errorf("from another machine: %v", r)
		}
		// The name that is asked for opens no other door.
		for _, host := range []string{"private.shop.localhost", "localhost", "evil.example"} {
			if r := ask("-H", "Host: "+host, url); strings.Contains(r.stdout, "page of private") {
				t.Errorf("with Host %s: %v", host, r)
			}
		}
		if out := p.lodge("ls").ok(t); !strings.Contains(out, "shop/web: shared with the network: "+url) {
			t.Errorf("ls does not say so: %s", out)
		}
		if r := p.lodge("open", "--lan", "web"); r.code != 1 || !strings.Contains(r.stderr, "it is shared already") {
			t.Errorf("a second time: %v", r)
		}
		sharing.signal(unix.SIGINT)
		if r := sharing.wait(); r.code != 130 {
			t.Errorf("when it is stopped: %v", r)
		}
		eventually(t, func() string {
			if r := ask(url); r.code != 7 { // CURLE_COULDNT_CONNECT
				return "it still is reached: " + r.String()
			}
			return ""
		})
		if out := p.lodge("ls").ok(t); strings.Contains(out, "shared") {
			t.Errorf("ls still says so: %s", out)
		}
	})
}
