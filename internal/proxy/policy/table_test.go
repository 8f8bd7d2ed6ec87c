package policy

import (
	"net/netip"
	"strings"
	"testing"
)

// at is a service of the project shop at a TCP address.
func at(name, addr string) Service {
	return Service{ID: "shop/" + name, Project: "shop", Names: NamesOf(name, "shop", name == "web"), Endpoints: []Endpoint{{Addr: netip.MustParseAddrPort(addr)}}}
}

// TestTableRefuses what would make two answers to one question.
func TestTableRefuses(t *testing.T) {
	ok := at("web", "127.0.0.1:1")
	name := func(h string) Service {
		s := at("x", "127.0.0.1:1")
		s.Names = []Name{{Host: h}}
		return s
	}
	twice := at("web", "127.0.0.1:1")
	twice.Names = nil
	none := at("x", "127.0.0.1:1")
	none.Endpoints = []Endpoint{{}}
	host := at("x", "127.0.0.1:1")
	host.Host = "a\r\nb: c"
	for what, services := range map[string][]Service{
		"same name": {ok, name("web.shop.localhost")}, "same ID": {ok, twice}, "no ID": {{}}, "no address": {none}, "host": {host},
		"capitals": {name("Web.localhost")}, "port": {name("web.localhost:1")}, "dot": {name("web.localhost.")}, "dots": {name("web..localhost")}, "long": {name(strings.Repeat("a", 64) + ".localhost")},
	} {
		if _, err := NewTable(services); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

// A number in front of a name with ports leads where the table says, or nowhere.
func TestPortNames(t *testing.T) {
	main := Service{ID: "shop/web", Names: []Name{{Host: "web.shop.localhost", Wildcard: true, Ports: true}, {Host: "shop.localhost", Ports: true}}}
	port := Service{ID: "shop/web:4000", UsedAs: "shop/web", Names: []Name{{Host: "4000.web.shop.localhost", Wildcard: true}, {Host: "4000.shop.localhost", Unlisted: true}}}
	tab, err := NewTable([]Service{main, port})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]struct {
		id   int
		port uint16
	}{
		"web.shop.localhost": {0, 0}, "a.web.shop.localhost": {0, 0}, "4000.web.shop.localhost": {1, 0}, "a.4000.web.shop.localhost": {1, 0},
		"4001.web.shop.localhost": {0, 4001}, "a.4001.web.shop.localhost": {0, 4001}, "4001.a.web.shop.localhost": {0, 0},
		"04000.web.shop.localhost": {0, 0}, "65536.web.shop.localhost": {0, 0}, "4000.shop.localhost": {1, 0}, "4001.shop.localhost": {0, 4001},
		"a.shop.localhost": {-1, 0}, "shop.localhost": {0, 0},
	} {
		if i, p := tab.Find([]byte(host)); i != want.id || p != want.port {
			t.Errorf("%s: service %d, port %d; want %d, %d", host, i, p, want.id, want.port)
		}
	}
}
