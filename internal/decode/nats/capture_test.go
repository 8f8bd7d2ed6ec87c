package nats

import (
	"slices"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

// captures are of nats-server 2.9.10 and nats.go 1.55 (testdata/make.sh).
var captures = []string{"core", "jetstream", "login", "tls"}

// TestCaptures has no comparison with tshark: that of Debian does not decode NATS.
func TestCaptures(t *testing.T) {
	for _, name := range captures {
		t.Run(name, func(t *testing.T) {
			file := "testdata/" + name + ".pcap"
			captest.Golden(t, file, Protocol())
			captest.Splits(t, file, Protocol())
			for _, f := range captest.Flows(t, file, Protocol()) {
				if name != "tls" && (f.Protocol != Name || len(f.Losses) > 0) {
					t.Errorf("%s: protocol %q, lost %v", f.Client, f.Protocol, f.Losses)
				}
			}
		})
	}
}

// TestClient holds that the exchanges are those that testdata/client.go made.
func TestClient(t *testing.T) {
	all := captest.Exchanges(captest.Flows(t, "testdata/core.pcap", Protocol()))
	count := func(is func(e *decode.Exchange) bool) int {
		return len(slices.DeleteFunc(slices.Clone(all), func(e *decode.Exchange) bool { return !is(e) }))
	}
	for _, c := range []struct {
		what string
		want int
		is   func(e *decode.Exchange) bool
	}{
		{"sessions", 2, func(e *decode.Exchange) bool { return e.Kind == decode.KindSession }},
		{"messages to orders", 7, func(e *decode.Exchange) bool { return e.Method == "PUB" && strings.HasPrefix(e.Target, "orders.") }},
		{"messages of orders", 6, func(e *decode.Exchange) bool { return e.Method == "MSG" && strings.HasPrefix(e.Target, "orders.") }},
		{"requests to echo", 7, func(e *decode.Exchange) bool {
			return e.Method == "PUB" && e.Target == "echo" && e.Kind == decode.KindRequest && e.Status == "MSG"
		}},
		{"requests to nobody", 1, func(e *decode.Exchange) bool { return e.Target == "nobody" && e.Failed && e.Code == 503 }},
		{"acknowledged answers", 7, func(e *decode.Exchange) bool {
			return strings.HasPrefix(e.Target, "_INBOX.") && e.Method == "PUB" && e.Status == "+OK"
		}},
		{"unanswered", 0, func(e *decode.Exchange) bool { return e.Response.Incomplete }},
	} {
		if n := count(c.is); n != c.want {
			t.Errorf("%s: %d, want %d", c.what, n, c.want)
		}
	}
}
