package grpc

import (
	"encoding/base64"
	"slices"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/http1"
)

// TestConnectGet holds that a request of Connect with GET is a call, whose message is in
// its target.
func TestConnectGet(t *testing.T) {
	get := func(query string) string { return "c GET /p.S/M?" + query + " HTTP/1.1\r\nHost: x\r\n\r\n" }
	answer := "s " + ok("Content-Type: application/proto\r\n", "\x10\x02")
	p := http1.New(http1.Config{Layers: []http1.Layer{Layer1(nil)}})
	flow := captest.Script(t, decode.Options{Limits: decode.DefaultLimits()}, p,
		get("connect=v1&encoding=proto&base64=1&message=CAE"), answer,
		get("message=%08%01&encoding=proto"), answer,
		get("connect=v1&encoding=json&message=%7B%22password%22%3A%22x%22%7D"), "s "+ok("Content-Type: application/json\r\n", "{}"),
		get("connect=v1&encoding=proto&base64=1&compression=gzip&message="+base64.URLEncoding.EncodeToString([]byte(zip("\x08\x01")))), answer,
		get("connect=v1&encoding=proto&message="), answer,
		get("connect=v1&encoding=proto&base64=1&message=*"), answer,
		get("connect=v1&encoding=proto&base64=1&message=CAE="), "s HTTP/1.1 404 Not Found\r\nContent-Length: 34\r\n\r\n"+`{"code":"not_found","message":"x"}`,
		get("connect=v1&encoding=proto&base64=1&message=CAE"), "s HTTP/1.1 304 Not Modified\r\n\r\n",
		get("encoding=json&message=x"), "s "+ok("", "plain"),
		"c GET /?connect=v1&encoding=proto&message= HTTP/1.1\r\n\r\n", "s "+ok("", "plain"),
		get("connect=v1&encoding=proto&base64=1&message=CAE"), "S", "C")
	captest.Same(t, flow,
		`request client call /p.S/M → 0 OK request "1: 1\n" response "2: 2\n"`,
		`request client call /p.S/M → 0 OK request "1: 1\n" response "2: 2\n"`,
		`request client call /p.S/M → 0 OK request "{\"password\":\"•••\"}" response "{}"`,
		`request client call /p.S/M → 0 OK request "1: 1\n" response "2: 2\n"`,
		`request client call /p.S/M → 0 OK response "2: 2\n"`,
		`request client call /p.S/M → 0 OK response "2: 2\n" unknown: message: it is not in base64, as its target says`,
		`request client call /p.S/M → 5 NOT_FOUND x (failed) request "1: 1\n" response "{\"code\":\"not_found\",\"message\":\"x\"}"`,
		`request client call /p.S/M → HTTP 304 Not Modified request "1: 1\n"`,
		`request client GET /p.S/M?encoding=json&message=x → 200 OK response "plain"`,
		`request client GET /?connect=v1&encoding=proto&message= → 200 OK response "plain"`,
		`request client call /p.S/M request "1: 1\n" response incomplete`,
	)
	e := flow.Exchanges[0]
	if e.Detail("http method") != "GET" || e.Detail("framing") != "connect" || e.Request.BodyBytes != 2 || e.Group != "/p.S/M" {
		t.Errorf("details %v, %d bytes, group %q", e.Details, e.Request.BodyBytes, e.Group)
	}
}

// TestTrailerMessages holds that a trailer that is sent as a message is one, and no part
// of the body.
func TestTrailerMessages(t *testing.T) {
	p := http1.New(http1.Config{Layers: []http1.Layer{Layer1(nil)}})
	web := "Content-Type: application/grpc-web+proto\r\nGrpc-Encoding: gzip\r\n"
	connect := "Content-Type: application/connect+proto\r\n"
	b := message(0, "\x10\x02")
	want := []decode.Field{{Name: "x-api-key", Value: "•••"}, {Name: "x-sum", Value: "1"}, {Name: "x-sum", Value: "2"}}
	trailer := "x-api-key: secret\r\nx-sum: 1\r\nx-sum: 2\r\n"
	flow := captest.Script(t, decode.Options{Limits: decode.DefaultLimits()}, p,
		"c "+post(web, b), "s "+ok(web, b, message(0x80, trailer+"grpc-status: 0\r\n")),
		"c "+post(web, b), "s "+ok(web, b, message(0x81, zip(trailer+"grpc-status: 0\r\n"))),
		"c "+post(connect, b), "s "+ok(connect, b, message(2, `{"metadata":{"x-sum":["1","2"],"x-api-key":["secret"]}}`)))
	for i, e := range flow.Exchanges {
		got := slices.DeleteFunc(slices.Clone(e.Response.Trailer), func(f decode.Field) bool { return f.Name == "grpc-status" })
		if e.Status != "0 OK" || !slices.Equal(got, want) || e.Response.BodyBytes != 2 || string(e.Response.Body) != "2: 2\n" {
			t.Errorf("call %d: %s, trailer %v, body %q of %d bytes", i, e.Status, got, e.Response.Body, e.Response.BodyBytes)
		}
	}
	if len(flow.Exchanges) != 3 {
		t.Errorf("%d calls", len(flow.Exchanges))
	}
}
