package names

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

func at(ports ...uint16) []loopback.Endpoint {
	var out []loopback.Endpoint
	for _, p := range ports {
		out = append(out, loopback.Endpoint{Protocol: loopback.TCP, IP: netip.MustParseAddr("127.83.20.7"), Port: p})
	}
	return out
}

func table() *Table {
	return New([]Project{
		{Label: "shop", Services: []service.Status{
			{Name: "db", State: service.Up, Scheme: "postgres", Endpoints: at(5432)},
			{Name: "web", State: service.Up, Endpoints: at(5173, 24678)},
		}},
		{Label: "fix-shop", Services: []service.Status{
			{Name: "web", State: service.Up, Endpoints: at(5173), Naming: service.Naming{Default: true}},
			{Name: "api", State: service.Starting},
			{Name: "shop", State: service.Failed},
		}},
		{Label: "two", Services: []service.Status{
			{Name: "a", State: service.Up, Endpoints: at(3000)},
			{Name: "b", State: service.Up, Endpoints: at(4000)},
			{Name: "migrate", State: service.Exited},
			{Name: "worker", State: service.Up},
		}},
		{Label: "empty"},
	})
}

func TestFind(t *testing.T) {
	tab := table()
	for _, c := range []struct {
		host    string
		kind    Kind
		service string // project/service
	}{
		{"web.shop.localhost", Service, "shop/web"},
		{"WEB.Shop.LocalHost.:8443", Service, "shop/web"},
		{"db.shop.localhost", Service, "shop/db"},
		{"a.b.web.shop.localhost", Service, "shop/web"},
		{"shop.localhost", Service, "shop/web"},
		{"fix-shop.localhost", Service, "fix-shop/web"},
		{"shop.fix-shop.localhost", Service, "fix-shop/shop"},
		{"api.fix-shop.localhost", Service, "fix-shop/api"},
		{"two.localhost", NoDefault, ""},
		{"empty.localhost", NoDefault, ""},
		{"none.shop.localhost", Unknown, ""},
		{"web.none.localhost", Unknown, ""},
		{"none.localhost", Unknown, ""},
		{"x..web.shop.localhost", Unknown, ""},
		{".localhost", Foreign, ""},
		{"localhost", Index, ""},
		{"localhost:20443", Index, ""},
		{"127.0.0.1", Foreign, ""},
		{"[::1]:443", Foreign, ""},
		{"web.shop.localhost.evil.example", Foreign, ""},
		{"evil-localhost", Foreign, ""},
		{"shop", Foreign, ""},
		{"web.shop.test", Foreign, ""},
		{"", Foreign, ""},
		{"a:b:c", Foreign, ""},
	} {
		m := tab.Find(Normalize(c.host))
		got := ""
		if m.Service != nil {
			got = m.Project.Label + "/" + m.Service.Name
		}
		if m.Kind != c.kind || got != c.service {
			t.Errorf("%s: kind %d, %q; want %d, %q", c.host, m.Kind, got, c.kind, c.service)
		}
	}
	if m := tab.Find("two.localhost"); len(m.Candidates) != 2 || m.Candidates[0].Name != "a" {
		t.Errorf("candidates %+v", m.Candidates)
	}
}

func TestWebPorts(t *testing.T) {
	ip := netip.MustParseAddr("127.83.20.7")
	udp := loopback.Endpoint{Protocol: loopback.UDP, IP: ip, Port: 53}
	six := loopback.Endpoint{Protocol: loopback.TCP, IP: netip.IPv6Loopback(), Port: 5173}
	for _, c := range []struct {
		st   service.Status
		want string
		all  string
	}{
		{service.Status{Endpoints: at(24678, 5173)}, "[5173 24678]", "[5173 24678]"},
		{service.Status{Endpoints: append(at(24678, 5173), six)}, "[5173 24678]", "[5173 24678]"},
		{service.Status{Endpoints: at(40000, 50000, 9000)}, "[9000 40000 50000]", "[9000 40000 50000]"},
		{service.Status{Endpoints: at(9000, 50000), Port: 50000}, "[50000 9000]", "[50000 9000]"},
		{service.Status{Endpoints: at(9000, 5173), HTTP: 9000}, "[9000]", "[5173 9000]"},
		{service.Status{Endpoints: at(9000), HTTP: 1}, "[]", "[9000]"},
		{service.Status{Endpoints: []loopback.Endpoint{udp}}, "[]", "[]"},
		{service.Status{Endpoints: at(9000), Naming: service.Naming{NoHTTP: true}}, "[]", "[9000]"},
		// Tomcat: its shutdown port is asked last. Node: so is its inspector.
		{service.Status{Endpoints: at(8005, 8009, 8080)}, "[8080 8005 8009]", "[8080 8005 8009]"},
		{service.Status{Endpoints: at(8005)}, "[8005]", "[8005]"},
		{service.Status{Endpoints: at(9229, 9300)}, "[9300 9229]", "[9300 9229]"},
		// RabbitMQ and NATS, with their pages.
		{service.Status{Scheme: "amqp", Endpoints: at(5672, 15672, 25672)}, "[15672 25672]", "[5672 15672 25672]"},
		{service.Status{Scheme: "nats", Endpoints: at(5222, 8222)}, "[8222 5222]", "[5222 8222]"},
		{service.Status{Scheme: "redis", Endpoints: at(7000)}, "[]", "[7000]"},
	} {
		if got, all := fmt.Sprint(WebPorts(&c.st)), fmt.Sprint(TCPPorts(&c.st)); got != c.want || all != c.all {
			t.Errorf("%+v: %s of %s, want %s of %s", c.st, got, all, c.want, c.all)
		}
	}
}

// A name may mean one port of a service.
func TestFindPorts(t *testing.T) {
	named := func(s service.Status, names ...service.PortName) service.Status { s.PortNames = names; return s }
	tab := New([]Project{
		{Label: "shop", Services: []service.Status{
			named(service.Status{Name: "dev", State: service.Up, Endpoints: at(3000, 4000), Naming: service.Naming{Default: true}},
				service.PortName{Name: "api", Port: 4000}, service.PortName{Name: "db", Port: 9}),
			{Name: "db", State: service.Up, Scheme: "postgres", Endpoints: at(5432)},
			{Name: "3000", State: service.Up, Endpoints: at(8000)},
		}},
		{Label: "3000", Services: []service.Status{{Name: "web", State: service.Up, Endpoints: at(3000, 4000)}}},
		{Label: "two", Services: []service.Status{{Name: "a", State: service.Up, Endpoints: at(3000)}, {Name: "b", State: service.Starting}}},
	})
	for host, want := range map[string]string{
		"dev.shop.localhost":        "shop/dev",
		"4000.dev.shop.localhost":   "shop/dev:4000",
		"3000.dev.shop.localhost":   "shop/dev:3000",
		"a.4000.dev.shop.localhost": "shop/dev:4000",
		"4000.a.dev.shop.localhost": "shop/dev",
		"4242.dev.shop.localhost":   "shop/dev:4242",
		"04000.dev.shop.localhost":  "shop/dev",
		"65536.dev.shop.localhost":  "shop/dev",
		"0.dev.shop.localhost":      "shop/dev",
		"api.shop.localhost":        "shop/dev:4000",
		"x.api.shop.localhost":      "shop/dev:4000",
		"5000.api.shop.localhost":   "shop/dev:4000",
		"db.shop.localhost":         "shop/db", // a service goes before a port
		"4000.shop.localhost":       "shop/dev:4000",
		"5432.shop.localhost":       "shop/db:5432",
		"5433.shop.localhost":       "shop/dev:5433",
		"3000.shop.localhost":       "shop/3000",
		"8000.3000.shop.localhost":  "shop/3000:8000",
		"3000.localhost":            "3000/web",
		"web.3000.localhost":        "3000/web",
		"4000.3000.localhost":       "3000/web:4000",
		"3000.web.3000.localhost":   "3000/web:3000",
		"3000.two.localhost":        "two/a:3000",
		"4000.two.localhost":        "",
		"4000.none.localhost":       "",
		"4000.localhost":            "",
		"..4000.dev.shop.localhost": "",
	} {
		m := tab.Find(host)
		got := ""
		if m.Service != nil {
			got = m.Project.Label + "/" + m.Service.Name
		}
		if m.Port != 0 {
			got += fmt.Sprintf(":%d", m.Port)
		}
		if got != want {
			t.Errorf("%s leads to %q, want %q", host, got, want)
		}
	}
	for host, want := range map[string]string{
		"dev.shop.test": "dev:0", "api.shop.test": "dev:4000", "4000.dev.shop.test": "dev:4000", "x.dev.shop.test": "",
		"4000.api.shop.test": "", "5.4000.dev.shop.test": "", "3000.shop.test": "3000:0", "none.shop.test": "",
	} {
		m := tab.FindTCP(host)
		got := ""
		if m.Service != nil {
			got = fmt.Sprintf("%s:%d", m.Service.Name, m.Port)
		}
		if got != want {
			t.Errorf("%s leads to %q, want %q", host, got, want)
		}
	}
	p := tab.Projects()[1]
	if got := strings.Join(p.TCPNames(), " "); got != "shop.test dev.shop.test api.shop.test db.shop.test 3000.shop.test" {
		t.Errorf("names below test: %s", got)
	}
	if got := strings.Join(tab.HTTPNames(), " "); !strings.Contains(got, " api.shop.localhost ") {
		t.Errorf("names below localhost: %s", got)
	}
}

func TestNamesListed(t *testing.T) {
	got := strings.Join(table().HTTPNames(), " ")
	want := "fix-shop.localhost web.fix-shop.localhost api.fix-shop.localhost shop.fix-shop.localhost " +
		"shop.localhost web.shop.localhost two.localhost a.two.localhost b.two.localhost"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p := table().Projects()[3]
	if got := strings.Join(p.TCPNames(), " "); got != "two.test a.two.test b.two.test worker.two.test" {
		t.Errorf("got %s", got)
	}
}

func TestLabel(t *testing.T) {
	long := strings.Repeat("a", 63)
	taken := []string{"shop", "shop-2", long}
	is := func(l string) bool { return slices.Contains(taken, l) }
	for want, got := range map[string]string{"web": "web", "shop": "shop-3", long: long[:61] + "-2"} {
		if l := Label(want, is); l != got {
			t.Errorf("%s: %s, want %s", want, l, got)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"shop": "shop", "My Shop": "my-shop", "--": "project", "": "project", "a__b": "a-b", "Ünïcode": "n-code",
		strings.Repeat("ab-", 40): strings.Repeat("ab-", 20) + "ab",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzFind(f *testing.F) {
	tab := table()
	for _, h := range []string{"web.shop.localhost", "[::1]:80", "a.b.c:1", "..localhost", "localhost."} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, h string) {
		m := tab.Find(Normalize(h))
		if m.Kind == Service && !strings.HasSuffix(Normalize(h), ".localhost") {
			t.Errorf("%q leads to %s", h, m.Service.Name)
		}
	})
}
