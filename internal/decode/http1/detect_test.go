package http1_test

import (
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/http1"
)

// A server that speaks first is not one of HTTP/1, but a client of HTTP/1 that has come to
// it is to be seen: here curl's attempt to upgrade, at a server of HTTP/2 alone (nghttpd).
func TestServerSpeaksFirst(t *testing.T) {
	const request = "c HEAD /index.html HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n"
	for _, tt := range []struct {
		name, greeting string
		found          int
	}{
		{"HTTP/2", "s \x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00d", 1},
		{"SSH", "s SSH-2.0-OpenSSH_9.2p1\r\n", 1},
		{"a long greeting", "s " + strings.Repeat("hello ", 300), 0},
	} {
		f := captest.Script(t, decode.Options{Limits: decode.DefaultLimits()}, http1.Protocol(), tt.greeting, request, "C", "S")
		requests := 0
		for _, e := range f.Exchanges {
			if e.Method == "HEAD" && e.Target == "/index.html" && e.Code == 0 {
				requests++
			}
		}
		if requests != tt.found {
			t.Errorf("%s: %q", tt.name, captest.Lines(f))
		}
	}
}
