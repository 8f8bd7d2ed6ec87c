package exchangequery

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lodge/internal/query"
)

// item is a request of shop/web (node) to postgres.
type item struct{}

func (item) Time() time.Time { return time.Date(2026, 5, 4, 11, 55, 0, 0, time.UTC) }

func (item) Service(n int) (project, service string, ok bool) {
	switch n {
	case 0:
		return "shop", "web", true
	case 1:
		return "", "", true
	}
	return "", "", false
}

func (item) Address(n int) (netip.Addr, bool) {
	return netip.MustParseAddr("127.0.0.1"), n < 2
}

func (item) Text(f Field, n int) (string, bool) {
	list := map[Field][]string{
		Protocol: {"postgresql"}, Kind: {"request"}, Method: {"SELECT"}, Target: {"SELECT * FROM items WHERE id = 7"}, Group: {"SELECT * FROM items WHERE id = ?"},
		Answer: {"SELECT 1"}, Process: {"node", "postgres"}, Client: {"node", "web", "shop/web"}, Server: {"postgres"}, Transport: {"tcp"},
	}[f]
	if n < len(list) {
		return list[n], true
	}
	return "", false
}

func (item) Int(f Field, n int) (int64, bool) {
	list := map[Field][]int64{
		Status: {503}, Failed: {1}, Latency: {int64(12 * time.Millisecond)}, Duration: {int64(20 * time.Millisecond)}, Size: {2048}, Port: {40000, 5432}, PID: {7, 8}, Connection: {3},
	}[f]
	if n < len(list) {
		return list[n], true
	}
	return 0, false
}

func schema() *query.Schema {
	return New(Options{Protocols: []string{"http", "postgresql", "redis"}, Now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)})
}

func TestFilters(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "5432": true, ":5432": true, "5433": false, "5432-5440": true, "postgresql": true, "postgres": true, "pg": true, "redis": false,
		"shop/web": true, "shop/db": false, "127.0.0.1": true, "::1": false, "localhost": true, "address=localhost": true, "address!=localhost": false, "127.0.0.1:5432": true, "127.0.0.1:5433": false, "127.0.0.2:5432": false, "localhost:5432": true, "[::1]:5432": false, "localhost:5433 5432": true, "not 127.0.0.1:5432": false, "request": true, "message": false, "node": true, "NODE": true, "items": true, "orders": false,
		"web": true, `"5432"`: false, `"status:500"`: false, "user:500": false, "key:1": false, "service=web": true, "service=db": false, "project=shop": true, "project=lib": false,
		"service=web and status>=500": true, "5xx": true, "5XX": true, "4xx": false, "4xx 5xx": true, "not 4xx": true, "5xx redis": false, "status=5xx": true, "status=4xx": false, "status=500-599": true, "code=503": true, "status<500": false, "status!=503": false,
		"method=select": true, "method=SELECT": true, "method=insert": false, "path~ITEMS": true, "statement~'id = 7'": true, "group~?": true,
		"failed=yes": true, "failed=no": false, "latency>10ms": true, "latency>1s": false, "took>=20ms": true, "size>1k": true, "size<2000": false,
		"client=shop/web": true, "from=node": true, "client=postgres": false, "to=postgres": true, "pid 8": true, "pid=9": false, "port=40000": true,
		"address=127.0.0.0/8": true, "transport=udp": false, "connection=3": true, "flow=4": false, "time>10m": true, "kind=request": true,
		"(redis or postgresql) and not status=404": true, "answer~select": true, "process=postgres": true, "host=x": false,
	} {
		e, err := query.ParseText(text, schema())
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := Matcher(e)(item{}); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
	for _, text := range []string{"protocol=postgress", "status=many", "knd=request", "latency>often", "kind=socket", `""`, "status:500", "port:5432", "protocol:http"} {
		if _, err := query.ParseText(text, schema()); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestOnlyPorts(t *testing.T) {
	for text, want := range map[string]bool{
		"5432": true, "5432 6379": true, "port=3000-3999": true, "80 or (443 or 8080)": true, "port=80,443": true,
		"5432 http": false, "127.0.0.1:80": false, "not 80": false, "port>80": false, "service=web": false, "80 or http": false, "80 and 443": false,
	} {
		e, err := query.ParseText(text, schema())
		if err != nil {
			t.Fatal(err)
		}
		if got := OnlyPorts(e); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestPorts(t *testing.T) {
	for text, want := range map[string]string{
		"": "any", "5432": "5432-5432", "5432 6379": "5432-5432 6379-6379", "port=3000-3999 and http": "3000-3999", "port=80 or service=web": "any",
		"(80 and http) or 443": "80-80 443-443", "not 80": "any", "port>80": "any", "service=web": "any", "127.0.0.1:80": "80-80",
	} {
		e, err := query.ParseText(text, schema())
		if err != nil {
			t.Fatal(err)
		}
		got := "any"
		if e != nil {
			if list, ok := Ports(e); ok {
				var s []string
				for _, r := range list {
					s = append(s, fmt.Sprintf("%d-%d", r.Low, r.High))
				}
				got = strings.Join(s, " ")
			}
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
