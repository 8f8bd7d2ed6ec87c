package http1

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"lodge/internal/decode"
)

func TestUpgrade(t *testing.T) {
	const (
		ask    = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
		accept = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
		hello  = "\x81\x05Hello"
		masked = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
	)
	right := fmt.Sprintf(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
	for _, tt := range []test{
		{name: "websocket", steps: []step{c(ask), s(right + hello), c(masked)}, want: []string{
			`GET /chat → 101 Switching Protocols [upgrade: websocket]`, `websocket: server text "Hello"`, `websocket: client text "Hello"`}},
		{name: "too early", steps: []step{c(ask + masked), s(right + hello)}, want: []string{
			`GET /chat → 101 Switching Protocols [upgrade: websocket]`, `websocket: client text "Hello"`, `websocket: server text "Hello"`}},
		{name: "wrong accept", steps: []step{c(ask), s(fmt.Sprintf(accept, "x") + hello)}, want: []string{
			`GET /chat → 101 Switching Protocols [upgrade: websocket] [sec-websocket-accept: wrong: the client must close the connection]`, `websocket: server text "Hello"`}},
		{name: "refused", steps: []step{c(ask), s(ok), c(get), s(ok)}, want: []string{`GET /chat → 200 OK "ok"`, `GET / → 200 OK "ok"`}},
		{name: "unknown", steps: []step{c("POST /attach HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"), s("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n\x00\x01"), c("\x02\x03")},
			want: []string{`POST /attach → 101 UPGRADED [upgrade: tcp]`}, lost: map[decode.LossReason]int64{decode.LostUnknown: 4}},
		{name: "CONNECT", steps: []step{c("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\n"), c(get), s(ok)}, want: []string{`CONNECT a:80 → 200 OK`, `GET / → 200 OK "ok"`}},
		{name: "CONNECT refused", steps: []step{c("CONNECT a:80 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), c("CONNECT a:80 HTTP/1.1\r\n\r\n")},
			want: []string{`CONNECT a:80 → 407 Proxy Authentication Required`, `CONNECT a:80 →  incomplete`}},
		{name: "the request was not seen", mid: true, steps: []step{s(right + hello)}, want: []string{
			`  → 101 Switching Protocols [upgrade: websocket] (request: its request was sent before the recording began)`, `websocket: server text "Hello"`}},
	} {
		tt.run(t)
	}
}

// TestHandoff looks at what the next decoder is told.
func TestHandoff(t *testing.T) {
	var facts []decode.Field
	var got [2]string
	next := func(name string) *decode.Protocol {
		return &decode.Protocol{Name: name, New: func(c *decode.Conn) decode.Decoder {
			facts = c.Facts
			return &recorder{&got}
		}}
	}
	for _, tt := range []struct{ upgrade, name string }{{"h2c", "http2"}, {"TLS/1.2", "tls"}} {
		got = [2]string{}
		conn := decode.NewConn(options, func(*decode.Exchange) {}, nil)
		f := decode.NewFlow(conn, []*decode.Protocol{Protocol(), next(tt.name)}, true)
		f.Data(client, time.Time{}, []byte("OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "+tt.upgrade+"\r\nHTTP2-Settings: AAMAAABk\r\n\r\nearly"))
		f.Data(server, time.Time{}, []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+tt.upgrade+", HTTP/1.1\r\n\r\nrest"))
		f.Data(client, time.Time{}, []byte(" late"))
		if f.Protocol() != tt.name || got != [2]string{"early late", "rest"} {
			t.Errorf("%s: %q gets %q", tt.upgrade, f.Protocol(), got)
		}
		want := []decode.Field{{Name: "host", Value: "h"}, {Name: "target", Value: "*"}, {Name: FactMethod, Value: "OPTIONS"}, {Name: FactVersion, Value: "1.1"}, {Name: FactUpgrade, Value: tt.upgrade},
			{Name: "extensions"}, {Name: "subprotocol"}, {Name: FactSettings, Value: "AAMAAABk"}}
		if !slices.Equal(facts, want) {
			t.Errorf("%s: facts %v", tt.upgrade, facts)
		}
	}
}

// TestTunnel holds that what a tunnel carries is told nothing of the CONNECT, as if it
// had been agreed on by it.
func TestTunnel(t *testing.T) {
	var facts []decode.Field
	inside := &decode.Protocol{Name: "inside", Detect: func(p *decode.Prefix) decode.Verdict {
		if bytes.HasPrefix(p.Bytes[client], []byte("inside")) {
			return decode.Yes
		}
		return decode.No
	}, New: func(c *decode.Conn) decode.Decoder {
		facts = c.Facts
		return &recorder{new([2]string)}
	}}
	f := decode.NewFlow(decode.NewConn(options, func(*decode.Exchange) {}, nil), []*decode.Protocol{inside, Protocol()}, true)
	f.Data(client, time.Time{}, []byte("CONNECT a:80 HTTP/1.1\r\n\r\n"))
	f.Data(server, time.Time{}, []byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Data(client, time.Time{}, []byte("inside"))
	if f.Protocol() != "inside" || len(facts) > 0 {
		t.Errorf("%q gets %v", f.Protocol(), facts)
	}
}

type recorder struct{ got *[2]string }

func (r *recorder) Data(s decode.Side, _ time.Time, b []byte) { r.got[s] += string(b) }
func (r *recorder) Gap(decode.Side, time.Time, int64)         {}
func (r *recorder) End(decode.Side, time.Time, decode.End)    {}
