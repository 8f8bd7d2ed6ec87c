package grpc

import (
	"fmt"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/http1"
)

func post(header, body string) string {
	return "POST /p.S/M HTTP/1.1\r\nHost: x\r\n" + header + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
}

func ok(header string, chunks ...string) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\n" + header + "Transfer-Encoding: chunked\r\n\r\n")
	for _, c := range append(chunks, "") {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(c), c)
	}
	return b.String()
}

// TestOnHTTP1 holds that gRPC-Web and Connect are calls on HTTP/1, and that other requests
// of the same connection are not.
func TestOnHTTP1(t *testing.T) {
	web := "Content-Type: application/grpc-web+proto\r\nX-Grpc-Web: 1\r\n"
	a, b := message(0, "\x08\x01"), message(0, "\x10\x02")
	p := http1.New(http1.Config{Layers: []http1.Layer{Layer1(nil)}})
	o := decode.Options{Limits: decode.DefaultLimits()}
	captest.Same(t, captest.Script(t, o, p,
		"c "+post(web, a), "s "+ok(web, b[:3], b[3:], message(0x80, "grpc-status: 0\r\n")),
		"c "+post("Content-Type: application/json\r\n", "{}"), "s "+ok("", "plain"),
		"c "+post("Content-Type: application/proto\r\nConnect-Protocol-Version: 1\r\n", "\x08\x01"), "s "+ok("Content-Type: application/proto\r\n", "\x10\x02"),
		"c "+post("Content-Type: application/grpc\r\n", a), "s "+ok("", "no"),
		"c "+post(web, a+a), "s "+ok(web, b, b, message(0x80, "grpc-status: 13\r\ngrpc-message: bad\r\n")),
		"C", "S"),
		`request client call /p.S/M → 0 OK request "1: 1\n" response "2: 2\n"`,
		`request client POST /p.S/M → 200 OK request "{}" response "plain"`,
		`request client call /p.S/M → 0 OK request "1: 1\n" response "2: 2\n"`,
		`request client POST /p.S/M → 200 OK request "\x00\x00\x00\x00\x02\b\x01" response "no"`,
		`message client message /p.S/M request "1: 1\n"`, `message client message /p.S/M request "1: 1\n"`,
		`message server message /p.S/M request "2: 2\n"`, `message server message /p.S/M request "2: 2\n"`,
		`request client call /p.S/M → 13 INTERNAL bad (failed)`,
	)
	// grpc-js says OK twice.
	captest.Same(t, captest.Script(t, o, p, "c "+post(web, a), "s "+ok(web, b, message(0x80, "grpc-status: 0\r\ngrpc-message: OK\r\n"))),
		`request client call /p.S/M → 0 OK request "1: 1\n" response "2: 2\n"`)
	// An answer in another codec.
	json := "Content-Type: application/grpc-web+json\r\n"
	captest.Same(t, captest.Script(t, o, p, "c "+post(web, a), "s "+ok(json, message(0, `{"a":1}`), message(0x80, "grpc-status: 0\r\n"))),
		`request client call /p.S/M → 0 OK request "1: 1\n" response "{\"a\":1}"`)
	// What is not there to its end.
	captest.Same(t, captest.Script(t, o, p, "c "+post(web, a), "s HTTP/1.1 200 OK\r\n"+web+"Content-Length: 99\r\n\r\n"+b, "S"),
		`request client call /p.S/M request "1: 1\n" response "2: 2\n" response incomplete unknown: response: the connection was closed before its end`)
}
