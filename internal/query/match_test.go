package query

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for line, want := range map[string]bool{
		"":                            true,
		"service=api and status>=500": true, "service=api and status<500": false, "service=db or status>=500": true,
		"service=ap": false, "service~AP": true, "service!~ap": false, "service!=db": true, "service=db,api": true, "service!=db,api": false,
		"status=500-599": true, "status=503": true, "status>503": false, "status>=503": true, "status<=503": true, "status<503": false, "status=400-499,503": true, "status!=500-599": false,
		"took>200ms": true, "took<0.25s": false, "took=250ms": true, "took=200ms-300ms": true,
		"bytes=1.5k": true, "bytes<1.5Ki": true, "bytes>1.5kB": false, "bytes<=1M": true,
		"port 443": true, "443": true, "80": false, "80 443": true, "443 40000": true, "443 and 40000": true, "443 and 80": false,
		"port=http,443": true, "port=http": false, "port=system": true, "port=user": true, "port=dynamic": false, "port>50000": false, "port<1000": true,
		"port!=443": false, "not 443": false, "not 80": true, "port!=80 port!=22": true, "port!=80 port!=443": false,
		"address=127.0.0.0/8": true, "address=127.0.0.1": true, "address=fe80::1": true, "address=10.0.0.0/8": false, "address!=10.0.0.1": true,
		"state=listen": true, "state=LISTEN": true, "state=time-wait": false, "state=time_wait,listen": true, "state!=closed": true,
		"time>10m": true, "time>4m": false, "time=11:55": true, "time=11:54": false, "time=2026-05-04": true, "time<2026-05-04": false, "time>=2026-05-04T11:55:00Z": true, "time>11:55": false, "time>=11:55": true,
		"ok=no": true, "ok=true": false,
		"owned=api": true, "owned=shop/api": true, "owned=store/api": false, "owned~AP": true,
		"at=127.0.0.1:443": true, "at=127.0.0.2:443": false, "80 at=127.0.0.1:443": true,
		"node": true, "NODE": true, "grösse": false, "größe": true, "GRÖSSE": false, "node python": true, "node and python": false,
		"node status=200": false, "python status=503": false, "service=db service=api": true, "service=db service~api": true,
		"service=db owned=shop/api": true, // a pair says all that its owner's kind does
		"service=db owned=api":      false,
		"not (node or 80)":          false, "not (python or 80)": true, "not not node": true,
		"(80 or 443) (python or node)": true, "not python 443": true, "not python 80": false,
	} {
		e, err := ParseText(line, testSchema())
		if err != nil {
			t.Errorf("%q: %v", line, err)
			continue
		}
		if got := Compile(e).Match(api()); got != want {
			t.Errorf("%q: got %v; it is %s", line, got, String(Simplify(e)))
		}
	}
}

// A side that stands for all addresses is at each of them.
func TestAnyAddress(t *testing.T) {
	r := api()
	r.any = true
	e, err := ParseText("at=10.9.8.7:443", testSchema())
	if err != nil || !Compile(e).Match(r) {
		t.Error(err)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	e, err := ParseText("(service~zz or port=1-5 or address=10.0.0.0/8 or owned=a/b or not node) or at=10.0.0.1:1", testSchema())
	if err != nil {
		t.Fatal(err)
	}
	m, r := Compile(e), Row(api())
	if n := testing.AllocsPerRun(100, func() { m.Match(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Each node is visited once, also where they are as deep as they may be.
func TestDeepFilters(t *testing.T) {
	for _, open := range []string{"(not 1 or ", "not (80 or ", "(node and ", "(not 80 and not "} {
		depth := MaxDepth / (1 + strings.Count(open, "not "))
		e, err := ParseText(strings.Repeat(open, depth)+"443"+strings.Repeat(")", depth), testSchema())
		if err != nil {
			t.Fatal(err)
		}
		Compile(e).Match(api())
		Bound(e, ports)
	}
}

func TestJoin(t *testing.T) {
	s := testSchema()
	port := func(n int64) *Term {
		return &Term{Field: s.ByID(fPort), Op: Eq, Values: []Value{{Low: n, High: n}}, Text: "n"}
	}
	words, _ := ParseText("80", s)
	expr, _ := ParseText("80 or node", s)
	for _, c := range []struct {
		e    Expr
		more []*Term
		want bool
	}{
		{nil, nil, true}, {nil, []*Term{port(443)}, true}, {nil, []*Term{port(1)}, false},
		{words, []*Term{port(443)}, true}, // they widen
		{words, []*Term{port(1)}, false},
		{expr, []*Term{port(443)}, true}, {expr, []*Term{port(80)}, false}, // they narrow
	} {
		if got := Compile(Join(c.e, c.more...)).Match(api()); got != c.want {
			t.Errorf("%s: got %v", String(Join(c.e, c.more...)), got)
		}
	}
}
