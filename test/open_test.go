package test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("shop", "lodge.toml", `version = 1
[services.web]
command = "`+peerBin+` http :8170 x"
[services.worker]
command = "sleep 1000"
ready = false
`)
		for _, args := range [][]string{{"open"}, {"open", "--lan"}} {
			if r := p.lodge(args...); r.code != 1 || !strings.Contains(r.stderr, "it is not up (hint: lodge up") {
				t.Errorf("%v before it is up: %v", args, r)
			}
		}
		p.up()
		q, _ := p.info()
		var o struct {
			URL, Project, Service, Home string
			HostName                    string `json:"host_name"`
		}
		if err := json.Unmarshal([]byte(p.lodge("open", "--json", "web").ok(t)), &o); err != nil {
			t.Fatal(err)
		}
		if o.URL != p.urlOf("web") || o.Project != "shop" || o.Service != "web" || o.HostName != "web.shop.test" || o.Home != q.Home.String() {
			t.Errorf("open --json: %+v", o)
		}
		// Into a pipe it prints, and opens nothing.
		if got := p.lodge("open").ok(t); got != q.URL {
			t.Errorf("open: %q, want %q", got, q.URL)
		}
		for _, c := range []struct {
			args []string
			code int
			want string
		}{
			{[]string{"open", "worker"}, 1, "open worker: it is no web service (hint: it listens nowhere; lodge logs worker"},
			{[]string{"open", "none"}, 1, "find service none: shop has no such service (hint: there are: web, worker)"},
			{[]string{"open", "--lan", "worker"}, 1, "share service worker: it is no web service"},
			{[]string{"open", "--lan", "none"}, 1, "find service none: shop has no such service"},
			{[]string{"open", "--lan", "--ip", "203.0.113.9", "web"}, 1, "203.0.113.9 is none of this machine's"},
			{[]string{"open", "--lan", "--ip", "here", "web"}, 1, `"here"`},
			{[]string{"open", "--ip", "203.0.113.9"}, 2, "hint: lodge open --lan --ip 203.0.113.9"},
			{[]string{"open", "web", "worker"}, 2, "hint: "},
		} {
			if r := p.lodge(c.args...); r.code != c.code || r.stdout != "" || !strings.Contains(r.stderr, c.want) || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("%v: want status %d and %q: %v", c.args, c.code, c.want, r)
			}
		}
	})
}
