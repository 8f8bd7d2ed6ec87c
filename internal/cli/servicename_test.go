package cli

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/service"
)

func listensAt(addrs ...string) []loopback.Endpoint {
	var out []loopback.Endpoint
	for _, a := range addrs {
		proto := loopback.TCP
		if s, ok := strings.CutPrefix(a, "udp "); ok {
			proto, a = loopback.UDP, s
		}
		ap := netip.MustParseAddrPort(a)
		out = append(out, loopback.Endpoint{Protocol: proto, IP: ap.Addr(), Port: ap.Port()})
	}
	return out
}

func TestTargetOfService(t *testing.T) {
	for _, c := range []struct {
		name   string
		status service.Status
		udp    bool
		want   string // scheme, host and port, or the error
	}{
		{"one port", service.Status{State: service.Up, Scheme: "http", Endpoints: listensAt("127.83.20.7:8000")}, false, "http 127.83.20.7:8000"},
		{"by its name", service.Status{State: service.Up, Scheme: "http", URL: "https://x.shop.localhost", Endpoints: listensAt("127.83.20.7:8000")}, false, "http x.shop.localhost:8000"},
		{"both families", service.Status{State: service.Up, Scheme: "redis", Endpoints: listensAt("[fd00::1]:6379", "127.83.20.7:6379")}, false, "redis 127.83.20.7:6379"},
		{"IPv6 only", service.Status{State: service.Up, Endpoints: listensAt("[fd00::1]:6379")}, false, " fd00::1:6379"},
		{"the port of http", service.Status{State: service.Up, HTTP: 5173, Endpoints: listensAt("127.83.20.7:24678", "127.83.20.7:5173")}, false, " 127.83.20.7:5173"},
		{"the leased port", service.Status{State: service.Up, Port: 50000, Endpoints: listensAt("127.83.20.7:50000", "127.83.20.7:9000")}, false, " 127.83.20.7:50000"},
		{"one that Linux chose", service.Status{State: service.Up, Endpoints: listensAt("127.83.20.7:45000", "127.83.20.7:9000")}, false, " 127.83.20.7:9000"},
		{"two ports", service.Status{State: service.Up, Endpoints: listensAt("127.83.20.7:9001", "127.83.20.7:9000")}, false, "probe shop/x: it listens on 2 ports: 127.83.20.7:9001, 127.83.20.7:9000"},
		{"UDP", service.Status{State: service.Up, Endpoints: listensAt("127.83.20.7:53", "udp 127.83.20.7:5353")}, true, " 127.83.20.7:5353"},
		{"no UDP", service.Status{State: service.Up, Endpoints: listensAt("127.83.20.7:53")}, true, "probe shop/x: it is ready, and listens on no UDP port"},
		{"a scheme that probe does not know", service.Status{State: service.Up, Scheme: "zebra", Endpoints: listensAt("127.83.20.7:9000")}, false, " 127.83.20.7:9000"},
		{"starting", service.Status{State: service.Starting}, false, "probe shop/x: it is starting, and listens on no TCP port"},
		{"idle", service.Status{State: service.Idle, URL: "https://x.shop.localhost"}, false, "probe shop/x: it is idle, and started by the first request for its name"},
		{"failed", service.Status{State: service.Failed, Reason: "ended with status 3"}, false, "probe shop/x: it is not running (ended with status 3)"},
		{"stopped", service.Status{State: service.Stopped}, false, "probe shop/x: it is stopped, and listens nowhere"},
	} {
		c.status.Name = "x"
		n := named{project: localapi.Project{Name: "shop", Label: "shop"}, service: c.status}
		got, find, err := n.target("shop/x", c.udp)
		var s string
		if err == nil {
			s = got.Scheme + " " + got.Host + ":" + strconv.Itoa(int(got.Port))
			if ips, err := find(t.Context(), got.Host); err != nil || len(ips) != 1 || ips[0] != c.status.Endpoints[0].IP && len(c.status.Endpoints) == 1 {
				t.Errorf("%s: found %v, %v", c.name, ips, err)
			}
			if got.Text != "shop/x" {
				t.Errorf("%s: text %q", c.name, got.Text)
			}
		} else {
			s = err.Error()
		}
		if s != c.want {
			t.Errorf("%s: got %q, want %q", c.name, s, c.want)
		}
	}
}

func TestServiceNamed(t *testing.T) {
	shop := localapi.Project{ID: "1", Name: "shop", Label: "shop", Path: "/p/shop", Services: []service.Status{{Name: "web"}, {Name: "redis"}, {Name: "only"}}}
	fix := localapi.Project{ID: "2", Name: "shop", Label: "fix-shop", Path: "/p/fix", Services: []service.Status{{Name: "web"}, {Name: "redis"}}}
	all := []localapi.Project{shop, fix}
	l := &look{Projects: all, own: daemonAt{projects: all}}
	for _, c := range []struct {
		word, dir string
		other     bool // the word means something else, too
		want      string
	}{
		{"web", "/p/fix/deep/inside", false, "fix-shop/web"},
		{"redis", "/p/shop", true, "shop/redis"},
		{"redis", "/elsewhere", true, ""},
		{"only", "/elsewhere", false, "shop/only"},
		{"web", "/elsewhere", false, "find service web: 2 projects have one"},
		{"none", "/p/shop", false, ""},
		{"fix-shop/web", "/", false, "fix-shop/web"},
		{"shop/web", "/", false, "shop/web"},
		{"shop/none", "/", false, "find service none: shop has no such service"},
		{"shop/a/page", "/", false, ""},
		{"other/web", "/", false, ""},
		{"web:80", "/p/shop", false, ""},
		{"web.shop", "/p/shop", false, ""},
	} {
		n, err := l.serviceNamed(c.word, c.dir, c.other)
		got := ""
		switch {
		case err != nil:
			got = err.Error()
		case n != nil:
			got = n.project.Label + "/" + n.service.Name
		}
		if got != c.want {
			t.Errorf("%s in %s: got %q, want %q", c.word, c.dir, got, c.want)
		}
	}
}

func TestFindName(t *testing.T) {
	ps := []localapi.Project{
		{ID: "1", Name: "shop", Label: "shop", State: "up", Home: "127.83.20.7", Services: []service.Status{
			{Name: "web", State: service.Up, Endpoints: listensAt("127.83.20.7:8000")}, {Name: "api", State: service.Up, Endpoints: listensAt("127.83.20.7:9000")},
			{Name: "db", State: service.Up, Scheme: "postgres", Endpoints: listensAt("127.83.20.7:5432")},
		}},
		{ID: "2", Name: "two", Label: "two", DefaultService: "b", Services: []service.Status{{Name: "a", State: service.Up, Endpoints: listensAt("127.83.20.8:1")}, {Name: "b", State: service.Up, Endpoints: listensAt("127.83.20.8:2")}}},
	}
	for host, want := range map[string]string{
		"web.shop.localhost":   "shop web",
		"a.web.shop.localhost": "shop web",
		"web.shop.test":        "shop web tcp",
		"a.web.shop.test":      "",
		"shop.localhost":       "shop candidates web,api",
		"two.localhost":        "two b",
		"shop.test":            "shop tcp",
		"x.shop.localhost":     "shop missing x candidates web,api,db",
		"x.shop.test":          "shop missing x tcp candidates web,api,db",
		"nobody.localhost":     "",
		"web.nobody.test":      "",
		"localhost":            "",
		"test":                 "",
		"example.com":          "",
		"":                     "",
	} {
		got := ""
		if f := findIn(ps, host); f != nil {
			got = f.project.Name
			if f.service != nil {
				got += " " + f.service.Name
			}
			if f.missing != "" {
				got += " missing " + f.missing
			}
			if f.tcp {
				got += " tcp"
			}
			if len(f.candidates) > 0 {
				got += " candidates " + strings.Join(f.candidates, ",")
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}
