package eventquery

import (
	"strings"
	"testing"
	"time"

	"lodge/internal/query"
)

type exit struct{}

func (exit) Number() uint64  { return 7 }
func (exit) Time() time.Time { return time.Date(2026, 5, 4, 11, 55, 0, 0, time.UTC) }
func (exit) Kind() string    { return "service" }
func (exit) Source() string  { return "keeper" }
func (exit) Project() string { return "shop" }
func (exit) Service() string { return "web" }

func (exit) Text(f Field, n int) (string, bool) {
	switch {
	case f == State && n == 0:
		return "failed", true
	case f == Name && n == 0:
		return "node", true
	case f == From && n == 0:
		return "ready", true
	case f == ProjectID && n == 0:
		return "shop-1", true
	}
	return "", false
}

func (exit) Int(f Field, n int) (int64, bool) {
	list := map[Field][]int64{PID: {412}, Exit: {137}, Port: {3000, 3001}}[f]
	if n < len(list) {
		return list[n], true
	}
	return 0, false
}

func TestEvents(t *testing.T) {
	s := New(Options{Kinds: []string{"service", "socket", "name"}, States: []string{"failed", "stopped"}, Now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)})
	for text, want := range map[string]bool{
		"": true, "kind=service": true, "kind=socket": false, "service": true, "socket": false, "service socket": true,
		"project=shop and exit>0": true, "exit=0": false, "exit!=0": true, "service=web": true, "service=shop/web": true, "service=lib/web": false,
		"shop/web": true, "lib/web": false, "web": true, "we": true, "SHOP": true, "node": true, "python": false, `"service"`: false,
		"project=shop-1": true, "shop-1/web": true, "shop-1/db": false, "failed": true, "stopped": false, "from=ready": true, "host=node": true, "change=state": false,
		"state=failed": true, "state=up": false, "pid 412": true, "pid=1-400": false, "port 3001": true, "port<3000": false, "name~NO": true,
		"number>=7": true, "number>7": false, "time>10m": true, "time>1m": false, "source=keeper": true, "source!=keeper": false, "project~SH": true,
		"service and (exit=137 or exit=139) and not port=80": true,
	} {
		e, err := query.ParseText(text, s)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := Matcher(e)(exit{}); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
	for _, text := range []string{"kind=servise", "exit=x", "knd=service", "address=::1"} {
		if _, err := query.ParseText(text, s); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestWhatAFilterNames(t *testing.T) {
	s := New(Options{Kinds: []string{"service", "socket", "name"}})
	for text, want := range map[string]string{
		"": "any", "kind=service": "service", "service name": "service name", "kind=socket or name": "socket name", "not service": "any",
		"shop/web": "any, a service", "web": "any, a service", "service=web": "any, a service", "project=shop": "any", "kind=socket web": "socket, a service",
		"web or project=lib": "any", "not web": "any", "web and socket": "socket, a service", "port=80": "any",
	} {
		e, err := query.ParseText(text, s)
		if err != nil {
			t.Fatal(err)
		}
		got := "any"
		if kinds, ok := Kinds(e); ok {
			got = strings.Join(kinds, " ")
		}
		if NamesService(e) {
			got += ", a service"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
