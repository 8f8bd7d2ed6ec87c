package grpc

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/http2"
)

// message frames a message.
func message(flags byte, body string) string {
	n := len(body)
	return string([]byte{flags, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + body
}

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

// fields makes header fields of "name: value".
func fields(l ...string) (fs []decode.Field) {
	for _, s := range l {
		name, value, _ := strings.Cut(s, ": ")
		fs = append(fs, decode.Field{Name: name, Value: value})
	}
	return fs
}

// run makes a call of pieces, which begin with ">" or "<", and returns what is
// emitted before the call, and the call.
func run(t *testing.T, e *decode.Exchange, limit int, pieces ...string) (emitted []string, lost int64) {
	t.Helper()
	limits := decode.DefaultLimits()
	limits.Body = limit
	c := decode.NewConn(decode.Options{Limits: limits}, func(x *decode.Exchange) {
		emitted = append(emitted, fmt.Sprintf("%s %s %q %v", x.From, x.Detail("number"), x.Request.Body, x.Unknown))
	}, func(l decode.Loss) { lost += l.Bytes })
	var room http2.Room
	room.Give(1 << 20)
	x := Layer(nil).Open(c, e, &room)
	if x == nil {
		t.Fatal("it is not opened")
	}
	at := time.Unix(1e9, 0)
	for _, p := range pieces {
		s := decode.Client
		if p[0] == '<' {
			s = decode.Server
		}
		switch {
		case p[1:] == "END":
			x.End(s)
		case strings.HasPrefix(p[1:], "GAP"):
			x.Gap(s, at, int64(len(p)-1))
		case p[1:] == "LOST":
			x.Gap(s, at, -1)
		default:
			for i := range len(p) - 1 {
				x.Data(s, at, []byte{p[1+i]})
			}
		}
	}
	x.Finish()
	if !room.Take(1 << 20) {
		t.Error("room was not given back")
	}
	emitted = append(emitted, fmt.Sprintf("%s %s: %d %q failed %v, %q %q %v %v", e.Method, e.Target, e.Code, e.Status, e.Failed, e.Request.Body, e.Response.Body,
		e.Details, e.Unknown))
	return emitted, lost
}

func call1(header, response, trailer []string) *decode.Exchange {
	return &decode.Exchange{Method: "POST", Target: "/p.S/M", Status: "200", Code: 200, Stream: 1,
		Request:  decode.Message{Header: fields(header...)},
		Response: decode.Message{Header: fields(response...), Trailer: fields(trailer...)}}
}

func TestCalls(t *testing.T) {
	const kind = "content-type: application/grpc"
	a, b := message(0, "\x08\x01"), message(0, "\x10\x02")
	for _, tt := range []struct {
		name   string
		e      *decode.Exchange
		limit  int
		pieces []string
		want   []string
		lost   int64
	}{
		{"unary", call1([]string{kind}, []string{kind}, []string{"grpc-status: 0"}), 100, []string{">" + a, ">END", "<" + b},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "1: 1\n" "2: 2\n" [] []`}, 0},
		{"trailers only", call1([]string{kind}, []string{kind, "grpc-status: 7", "grpc-message: no%21 %zz %"}, nil), 100, []string{">" + a, ">END"},
			[]string{`call /p.S/M: 7 "7 PERMISSION_DENIED no! %zz %" failed true, "1: 1\n" "" [] []`}, 0},
		{"a code that has no name", call1([]string{kind}, []string{kind}, []string{"grpc-status: 99"}), 100, []string{">END"},
			[]string{`call /p.S/M: 99 "99 code 99" failed true, "" "" [] []`}, 0},
		{"HTTP's status", &decode.Exchange{Method: "POST", Target: "/p.S/M", Status: "503", Code: 503, Request: decode.Message{Header: fields(kind)}}, 100, nil,
			[]string{`call /p.S/M: 503 "HTTP 503" failed true, "" "" [] []`}, 0},
		{"no status", call1([]string{kind}, []string{kind}, nil), 100, []string{">" + a},
			[]string{`call /p.S/M: 0 "" failed false, "1: 1\n" "" [] []`}, 0},
		{"an answer before the end of the request", call1([]string{kind}, []string{kind}, []string{"grpc-status: 0"}), 100, []string{">" + a, "<" + b, ">" + a, ">END"},
			[]string{`client 1 "1: 1\n" []`, `server 1 "2: 2\n" []`, `client 2 "1: 1\n" []`,
				`call /p.S/M: 0 "0 OK" failed false, "" "" [{sent 2 messages} {received 1 message}] []`}, 0},
		{"JSON", call1([]string{"content-type: application/grpc+json; charset=utf-8"}, nil, []string{"grpc-status: 0"}), 100, []string{">" + message(0, `{"a":1}`), ">END"},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "{\"a\":1}" "" [{codec json}] []`}, 0},
		{"compressed", call1([]string{kind, "grpc-encoding: gzip"}, []string{kind, "grpc-encoding: snappy"}, []string{"grpc-status: 0"}), 100,
			[]string{">" + message(1, zip("\x08\x01")), ">END", "<" + message(1, "\x00snappy")},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "1: 1\n" "\x00snappy" [] [message: it is compressed with snappy and could not be decompressed]`}, 0},
		{"not of Protocol Buffers", call1([]string{kind}, nil, []string{"grpc-status: 0"}), 100, []string{">" + message(0, "\xff\xff"), ">END"},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "\xff\xff" "" [] [message: it is not one of Protocol Buffers]`}, 0},
		{"longer than what is kept", call1([]string{kind}, nil, []string{"grpc-status: 0"}), 8, []string{">" + message(0, "\x08\x01\x12\x40"+strings.Repeat("a", 64)), ">END"},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "1: 1\n" "" [] []`}, 0},
		{"a gap in a message", call1([]string{kind}, nil, []string{"grpc-status: 0"}), 100, []string{">" + message(0, "\x08\x01abc1234567")[:7], ">GAP", ">1234567", ">" + a, ">END"},
			[]string{`client 1 "1: 1\n" []`, `client 2 "1: 1\n" []`, `call /p.S/M: 0 "0 OK" failed false, "" "" [{sent 2 messages} {received 0 messages}] []`}, 0},
		{"a gap between messages", call1([]string{kind}, nil, []string{"grpc-status: 0"}), 100, []string{">" + a, ">LOST", ">" + a, ">END"},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "1: 1\n" "" [] [messages of the client: a part of what was sent was not seen]`}, 7},
		{"not framed", call1([]string{kind}, nil, []string{"grpc-status: 0"}), 100, []string{">{\"a\":1}", ">END"},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "" "" [] [messages of the client: its messages are not framed as gRPC's]`}, 7},
		{"cut off", call1([]string{kind}, nil, []string{"grpc-status: 1"}), 100, []string{">" + message(0, "\x08\x01\x10\x02")[:7]},
			[]string{`call /p.S/M: 1 "1 CANCELLED" failed true, "1: 1\n" "" [] []`}, 0},
		{"gRPC-Web", call1([]string{"content-type: application/grpc-web+proto"}, nil, nil), 100, []string{">" + a, ">END", "<" + b, "<" + message(0x80, "grpc-status:5\r\ngrpc-message: none\r\n")},
			[]string{`call /p.S/M: 5 "5 NOT_FOUND none" failed true, "1: 1\n" "2: 2\n" [{framing grpc-web}] []`}, 0},
		{"gRPC-Web in base64", call1([]string{"content-type: application/grpc-web-text"}, []string{"grpc-status: 0"}, nil), 100, []string{">AAAAAAIIAQ==", ">END", "<AAAAAAIQ", "<Ag==gAAAAA8=", "<Z3JwYy1zdGF0dXM6NQ0K"},
			[]string{`call /p.S/M: 5 "5 NOT_FOUND" failed true, "1: 1\n" "2: 2\n" [{framing grpc-web}] []`}, 0},
		{"the answer alone is in base64", call1([]string{"content-type: application/grpc-web"}, []string{"Content-Type: application/grpc-web-text+proto"}, nil), 100, []string{">" + a, ">END", "<AAAA\r\nAAIQ", "<Ag==gAAAAA8=", "<Z3JwYy1zdGF0dXM6MA0K"},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "1: 1\n" "2: 2\n" [{framing grpc-web}] []`}, 0},
		{"not base64", call1([]string{"content-type: application/grpc-web-text"}, []string{"grpc-status: 0"}, nil), 100, []string{">AAA", ">*", ">AAAA", ">END"},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "" "" [{framing grpc-web}] [messages of the client: its messages are not in base64, as its header says]`}, 5},
		{"Connect", call1([]string{"content-type: application/proto", "connect-protocol-version: 1", "content-encoding: gzip"}, []string{"content-type: application/proto"}, nil), 100, []string{">" + zip("\x08\x01"), ">END", "<\x10\x02", "<END"},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "1: 1\n" "2: 2\n" [{framing connect}] []`}, 0},
		{"Connect, failed", &decode.Exchange{Method: "POST", Target: "/p.S/M", Status: "404", Code: 404, Request: decode.Message{Header: fields("content-type: application/proto", "connect-protocol-version: 1")}}, 100,
			[]string{">\x08\x01", ">END", `<{"code":"not_found","message":"no item"}`, "<END"},
			[]string{`call /p.S/M: 5 "5 NOT_FOUND no item" failed true, "1: 1\n" "{\"code\":\"not_found\",\"message\":\"no item\"}" [{framing connect}] []`}, 0},
		{"Connect, a stream", call1([]string{"content-type: application/connect+json"}, []string{"content-type: application/connect+json"}, nil), 100,
			[]string{">" + message(0, `{"a":1}`), ">END", "<" + message(0, `{}`), "<" + message(0, `{}`), "<" + message(2, `{"error":{"code":"canceled"}}`)},
			[]string{`client 1 "{\"a\":1}" []`, `server 1 "{}" []`, `server 2 "{}" []`,
				`call /p.S/M: 1 "1 CANCELLED" failed true, "" "" [{framing connect} {codec json} {sent 1 message} {received 2 messages}] []`}, 0},
		{"Connect, a stream that ends well", call1([]string{"content-type: application/connect+proto"}, nil, nil), 100,
			[]string{">" + a, ">END", "<" + b, "<" + message(2, `{}`)},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "1: 1\n" "2: 2\n" [{framing connect}] []`}, 0},
		{"Connect, a stream that is cut off", call1([]string{"content-type: application/connect+proto"}, nil, nil), 100, []string{">" + a, ">END", "<" + b},
			[]string{`call /p.S/M: 0 "" failed false, "1: 1\n" "2: 2\n" [{framing connect}] []`}, 0},
		{"Connect, a message that is cut off", call1([]string{"content-type: application/proto", "connect-protocol-version: 1"}, nil, nil), 100, []string{">\x08"},
			[]string{`call /p.S/M: 0 "0 OK" failed false, "\b" "" [{framing connect}] [message: it is not one of Protocol Buffers]`}, 0},
	} {
		got, lost := run(t, tt.e, tt.limit, tt.pieces...)
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") || lost != tt.lost {
			t.Errorf("%s: got\n\t%s\nwant\n\t%s\nlost %d", tt.name, strings.Join(got, "\n\t"), strings.Join(tt.want, "\n\t"), lost)
		}
	}
}

func TestOpen(t *testing.T) {
	c := decode.NewConn(decode.Options{}, nil, nil)
	for kind, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "Application/gRPC;x=y": true, "application/grpc-web": true,
		"application/connect+json": true, "application/proto": false, // without its version, it is any
		"application/grpcx": false, "application/json": false, "": false,
	} {
		if got := Layer(nil).Open(c, call1([]string{"content-type: " + kind, "x: y"}, nil, nil), nil) != nil; got != want {
			t.Errorf("%q: %v", kind, got)
		}
	}
	// Joined midstream: the response, or its trailer, says what it is.
	for _, e := range []*decode.Exchange{
		{Response: decode.Message{Header: fields("content-type: application/grpc")}},
		{Response: decode.Message{Trailer: fields("grpc-status: 0")}},
		{Request: decode.Message{Header: fields(http2.UnknownName + ": x")}, Response: decode.Message{Header: fields("content-type: application/grpc")}},
	} {
		if Layer(nil).Open(c, e, nil) == nil {
			t.Errorf("%+v is not opened", e)
		}
	}
}
