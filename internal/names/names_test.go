package names

import (
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

func TestHTTPEndpoints(t *testing.T) {
	ports := func(s *service.Status) string {
		var out []string
		for _, e := range HTTPEndpoints(s) {
			out = append(out, e.String())
		}
		return strings.ReplaceAll(strings.Join(out, ","), "tcp 127.83.20.7:", "")
	}
	udp := loopback.Endpoint{Protocol: loopback.UDP, IP: netip.MustParseAddr("127.83.20.7"), Port: 53}
	for _, c := range []struct {
		st   service.Status
		want string
	}{
		{service.Status{Endpoints: at(24678, 5173)}, "5173,24678"},
		{service.Status{Endpoints: at(40000, 50000, 9000)}, "9000,40000,50000"},
		{service.Status{Endpoints: at(9000, 50000), Port: 50000}, "50000,9000"},
		{service.Status{Endpoints: at(9000, 5173), HTTP: 9000}, "9000"},
		{service.Status{Endpoints: at(9000), HTTP: 1}, ""},
		{service.Status{Endpoints: []loopback.Endpoint{udp}}, ""},
	} {
		if got := ports(&c.st); got != c.want {
			t.Errorf("%+v: %s, want %s", c.st, got, c.want)
		}
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
