package supervisor

import (
	"net/netip"
	"strings"
	"testing"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

func TestAServiceIsToldOfWhatItNeeds(t *testing.T) {
	r := newRig(t)
	r.env = append(r.env, "MAIN_DB_PORT=1", "API_URL=http://another.example")
	r.fake.listen("main-db", 40000, 5432)
	r.fake.listen("api", 4000)
	r.define(
		r.spec("main-db", forever, listens, func(s *service.Spec) { s.Command = "postgres -D data" }),
		r.spec("api", forever, listens),
		r.spec("once", "true"),
		r.spec("web", `echo "$MAIN_DB_HOST $MAIN_DB_PORT $MAIN_DB_URL $API_URL $API_PORT ${ONCE_PORT-none} $LODGE_URL $DSN $LIT" > got; `+forever,
			needs("main-db", "api", "once"), func(s *service.Spec) {
				s.URL = "https://web.shop.localhost"
				s.Env = []string{"API_PORT=own", "DSN=postgres://${main-db.host}:${main-db.port}/x?u=${api.url}", "LIT=$${api.port}"}
			}),
	)
	r.up()
	want := "127.0.0.1 5432 postgres://127.0.0.1:5432 http://127.0.0.1:4000 own none https://web.shop.localhost " +
		"postgres://127.0.0.1:5432/x?u=http://127.0.0.1:4000 ${api.port}"
	if got := strings.TrimSpace(r.file("got")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAReferenceToWhatListensNowhere(t *testing.T) {
	r := newRig(t)
	r.define(
		r.spec("once", "true"),
		r.spec("web", forever, needs("once"), func(s *service.Spec) { s.Env = []string{"A=${once.port}"} }),
	)
	fails(t, r.Up(r.ctx, nil), "web", "set A: expand ${once.port}: it listens nowhere inside the home")
}

func TestAReferenceToItself(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", `echo "$SELF $PORT" > got; `+forever, func(s *service.Spec) {
		s.AutoPort = true
		s.Env = []string{"SELF=${web.port}"}
	}))
	r.up()
	f := strings.Fields(r.file("got"))
	if len(f) != 2 || f[0] != f[1] || f[0] == "0" {
		t.Errorf("got %q", f)
	}
}

func TestWhichEndpointStandsForAService(t *testing.T) {
	e := func(proto loopback.Protocol, ip string, port uint16) loopback.Endpoint {
		return loopback.Endpoint{Protocol: proto, IP: netip.MustParseAddr(ip), Port: port}
	}
	for _, c := range []struct {
		name string
		eps  []loopback.Endpoint
		want uint16
		port uint16
		ip   string
	}{
		{"none", nil, 0, 0, ""},
		{"lowest", []loopback.Endpoint{e("tcp", "127.0.0.1", 9000), e("tcp", "127.0.0.1", 80)}, 0, 80, "127.0.0.1"},
		{"TCP before UDP", []loopback.Endpoint{e("udp", "127.0.0.1", 53), e("tcp", "127.0.0.1", 853)}, 0, 853, "127.0.0.1"},
		{"chosen by the program before dynamic", []loopback.Endpoint{e("tcp", "127.0.0.1", 40000), e("tcp", "::1", 8080)}, 0, 8080, "::1"},
		{"IPv4 before IPv6", []loopback.Endpoint{e("tcp", "::1", 80), e("tcp", "127.0.0.1", 80)}, 0, 80, "127.0.0.1"},
		{"wanted", []loopback.Endpoint{e("tcp", "127.0.0.1", 80), e("tcp", "127.0.0.1", 9000)}, 9000, 9000, "127.0.0.1"},
		{"wanted is not there", []loopback.Endpoint{e("tcp", "127.0.0.1", 80)}, 9000, 0, ""},
		{"only UDP", []loopback.Endpoint{e("udp", "127.0.0.1", 53)}, 0, 53, "127.0.0.1"},
	} {
		got, ok := service.ChooseEndpoint(c.eps, c.want)
		if ok != (c.port != 0) || got.Port != c.port || ok && got.IP.String() != c.ip {
			t.Errorf("%s: got %v, %v", c.name, got, ok)
		}
	}
}
