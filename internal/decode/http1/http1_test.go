package http1

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/websocket"
)

const (
	client = decode.Client
	server = decode.Server
)

// step is what one side does: it sends, loses bytes of the capture before that,
// or ends.
type step struct {
	side decode.Side
	text string
	gap  int64
	end  decode.End
}

func c(text string) step { return step{side: client, text: text} }
func s(text string) step { return step{side: server, text: text} }

type outcome struct {
	exchanges []*decode.Exchange
	texts     []string
	lost      map[decode.LossReason]int64
}

// show returns an exchange in short.
func show(e *decode.Exchange) string {
	var w strings.Builder
	if e.Protocol != Name {
		fmt.Fprintf(&w, "%s: ", e.Protocol)
	}
	if e.Kind == decode.KindMessage {
		fmt.Fprintf(&w, "%s %s %q", e.From, e.Method, e.Request.Body)
		return w.String()
	}
	fmt.Fprintf(&w, "%s %s", e.Method, e.Target)
	message := func(m *decode.Message) {
		if len(m.Body) > 60 {
			fmt.Fprintf(&w, " {%d bytes}", len(m.Body))
		} else if m.BodyBytes > 0 {
			fmt.Fprintf(&w, " %q", m.Body)
		}
		if m.Encoding != "" {
			w.WriteString(" " + m.Encoding)
		}
		for _, f := range m.Trailer {
			fmt.Fprintf(&w, " +%s:%s", f.Name, f.Value)
		}
		if m.Truncated {
			fmt.Fprintf(&w, " of %d", m.BodyBytes)
		}
		if m.Incomplete {
			w.WriteString(" incomplete")
		}
	}
	message(&e.Request)
	fmt.Fprintf(&w, " → %s", e.Status)
	message(&e.Response)
	if e.Begun {
		w.WriteString(" begun")
	}
	for _, d := range e.Details {
		fmt.Fprintf(&w, " [%s: %s]", d.Name, d.Value)
	}
	if len(e.Unknown) > 0 {
		w.WriteString(" (" + strings.Join(e.Unknown, "; ") + ")")
	}
	return w.String()
}

// play plays steps to a flow, in pieces of at most size bytes. Which side is the
// client is not known in a connection that was joined midstream.
func play(o decode.Options, steps []step, size int) outcome {
	return playSides(o, steps, size, !o.Midstream)
}

func playSides(o decode.Options, steps []step, size int, clientKnown bool) (out outcome) {
	out.lost = map[decode.LossReason]int64{}
	conn := decode.NewConn(o, func(e *decode.Exchange) {
		out.exchanges = append(out.exchanges, e)
		out.texts = append(out.texts, show(e))
	}, func(l decode.Loss) { out.lost[l.Reason] += l.Bytes })
	f := decode.NewFlow(conn, []*decode.Protocol{Protocol(), websocket.Protocol()}, clientKnown)
	at := time.Unix(1000, 0)
	for _, st := range steps {
		at = at.Add(time.Second)
		if st.gap != 0 {
			f.Gap(st.side, at, st.gap)
		}
		for piece := range slices.Chunk([]byte(st.text), size) {
			f.Data(st.side, at, piece)
		}
		if st.end != 0 {
			f.End(st.side, at, st.end)
		}
	}
	f.End(client, at, decode.Closed)
	f.End(server, at, decode.Closed)
	return out
}

var options = decode.Options{Limits: decode.DefaultLimits()}

type test struct {
	name  string
	steps []step
	want  []string
	lost  map[decode.LossReason]int64
	mid   bool
	limit int // of a message
}

func (tt *test) run(t *testing.T) {
	t.Helper()
	o := options
	o.Midstream = tt.mid
	if tt.limit > 0 {
		o.Limits.Message = tt.limit
	}
	if tt.lost == nil {
		tt.lost = map[decode.LossReason]int64{}
	}
	for _, size := range []int{1 << 20, 1, 2, 3, 5, 7, 11, 64} {
		got := play(o, tt.steps, size)
		if !slices.Equal(got.texts, tt.want) || fmt.Sprint(got.lost) != fmt.Sprint(tt.lost) {
			t.Errorf("%s, %d bytes at a time:\n got %s\n     %v\nwant %s\n     %v", tt.name, size, strings.Join(got.texts, "\n     "), got.lost, strings.Join(tt.want, "\n     "), tt.lost)
			return
		}
	}
}

const (
	get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	ok  = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)

func TestExchanges(t *testing.T) {
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	_, _ = z.Write([]byte("compressed"))
	_ = z.Close()
	for _, tt := range []test{
		{name: "one", steps: []step{c(get), s(ok)}, want: []string{`GET / → 200 OK "ok"`}},
		{name: "keep-alive", steps: []step{c(get), s(ok), c(get), s(ok)}, want: []string{`GET / → 200 OK "ok"`, `GET / → 200 OK "ok"`}},
		{name: "pipelined", steps: []step{c("GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\n\r\n"), s(ok + ok + ok)},
			want: []string{`GET /1 → 200 OK "ok"`, `POST /2 "abc" → 200 OK "ok"`, `GET /3 → 200 OK "ok"`}},
		{name: "bare LF", steps: []step{c("\n\r\nGET / HTTP/1.1\nHost: h\n\n"), s("\r\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n")}, want: []string{`GET / → 200 OK "ok"`}},
		{name: "HEAD", steps: []step{c("HEAD / HTTP/1.1\r\n\r\n" + get), s("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + ok)}, want: []string{`HEAD / → 200 OK`, `GET / → 200 OK "ok"`}},
		{name: "204 and 304", steps: []step{c(get + get + get), s("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" + ok)},
			want: []string{`GET / → 204 No Content`, `GET / → 304 Not Modified`, `GET / → 200 OK "ok"`}},
		{name: "interim", steps: []step{c("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"), s("HTTP/1.1 100 Continue\r\n\r\n"), c("hi"), s("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + ok)},
			want: []string{`POST / "hi" → 200 OK "ok" [interim: 100 Continue] [interim: 103 Early Hints] [interim header: Link: </a.css>]`}},
		{name: "100-continue refused", steps: []step{c("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"), s("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")},
			want: []string{`POST / incomplete → 417 Expectation Failed (request: the connection was closed before its end)`}},
		{name: "100-continue refused, and the next request", steps: []step{c("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 200\r\n\r\n"), s("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"), c("POST /2 HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"), s(ok)},
			want: []string{`POST / → 417 Expectation Failed (request: its body was not sent, as the response came before it)`, `POST /2 "hi" → 200 OK "ok"`}},
		{name: "100-continue refused for chunks", steps: []step{c("POST / HTTP/1.1\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n"), s(ok), c(get), s(ok)},
			want: []string{`POST / → 200 OK "ok" (request: its body was not sent, as the response came before it)`, `GET / → 200 OK "ok"`}},
		{name: "100-continue refused, and the body", steps: []step{c("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"), s(ok), c("hello"), c(get), s(ok)},
			want: []string{`POST / "hello" → 200 OK "ok"`, `GET / → 200 OK "ok"`}},
		{name: "100-continue refused, and the body at the end", steps: []step{c("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"), s(ok), c("hello")},
			want: []string{`POST / "hello" → 200 OK "ok"`}},
		{name: "100-continue, and a request as the body", steps: []step{c("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 28\r\n\r\n"), s("HTTP/1.1 100 Continue\r\n\r\n"), c(get + "!"), s(ok)},
			want: []string{`POST / "GET / HTTP/1.1\r\nHost: h\r\n\r\n!" → 200 OK "ok" [interim: 100 Continue]`}},
		{name: "many interim responses", steps: []step{c(get), s(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100) + ok)},
			want: []string{`GET / → 200 OK "ok"` + strings.Repeat(` [interim: 102 Processing]`, 16) + ` [interim: and 84 more]`}},
		{name: "folded trailer", steps: []step{c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n c\r\nAuthorization: Basic\r\n eA==\r\nnone\r\n\r\n")},
			want: []string{`GET / → 200 OK "ok" +A:b c +Authorization:••• (response: a field of its trailer has more than one line (obs-fold); response: trailer: a line of its header has no colon)`}},
		{name: "chunked", steps: []step{c("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA ;x=\"y;z\"\r\n0123456789\r\n0\r\nX-Sum: 1\r\nAuthorization: Basic eA==\r\n\r\n" + get),
			s("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\nok\n00\n\n" + ok)},
			want: []string{`POST / "abc0123456789" +X-Sum:1 +Authorization:Basic ••• → 200 OK "ok"`, `GET / → 200 OK "ok"`}},
		{name: "until close", steps: []step{c(get), s("HTTP/1.0 200 OK\r\n\r\nall that comes"), {side: server, text: " and more", end: decode.Closed}},
			want: []string{`GET / → 200 OK "all that comes and more" [response version: 1.0]`}},
		{name: "until reset", steps: []step{c(get), {side: server, text: "HTTP/1.1 200 OK\r\n\r\nall", end: decode.Reset}}, want: []string{`GET / → 200 OK "all" incomplete`}},
		{name: "early answer", steps: []step{c("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n123"), s("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"), c("4567890" + get), s(ok)},
			want: []string{`POST / "1234567890" → 413 Too Large`, `GET / → 200 OK "ok"`}},
		{name: "no answer", steps: []step{c(get + get)}, want: []string{`GET / →  incomplete`, `GET / →  incomplete`}},
		{name: "answer before the end of the head", steps: []step{c("GET /long HTTP/1.1\r\nA: b"), {side: server, text: "HTTP/1.1 431 Too Large\r\n\r\n", end: decode.Closed}},
			want: []string{`GET /long incomplete → 431 Too Large (request: its header is cut off)`}},
		{name: "cut off", steps: []step{c("POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"), s("HTTP/1.1 200 OK\r\nContent-Le")},
			want: []string{`POST /a "ab" incomplete → 200 OK incomplete (request: the connection was closed before its end; response: its header is cut off)`}},
		{name: "obs-fold", steps: []step{c("GET / HTTP/1.1\r\nX: a\r\n b\r\n\tc\r\nHost: h\r\n\r\n"), s(ok)}, want: []string{`GET / → 200 OK "ok" (request: a header field has more than one line (obs-fold))`}},
		{name: "gzip", steps: []step{c(get), s(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", gz.Len(), gz.String()))}, want: []string{`GET / → 200 OK "compressed" gzip`}},
		{name: "gzip as transfer coding", steps: []step{c(get), s(fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", gz.Len(), gz.String()))}, want: []string{`GET / → 200 OK "compressed" gzip`}},
		{name: "br", steps: []step{c(get), s("HTTP/1.1 200 OK\r\nContent-Encoding: compress\r\nContent-Length: 2\r\n\r\nBR")}, want: []string{`GET / → 200 OK "BR" compress (response: body is compress-compressed)`}},
		{name: "secrets", steps: []step{c("GET /?access_token=x HTTP/1.1\r\nAuthorization: Bearer x\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"token\":\"x\"}")},
			want: []string{`GET /?access_token=••• → 200 OK "{\"token\":\"•••\"}"`}},
		{name: "multipart", steps: []step{c("POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 78\r\n\r\n--b\r\nContent-Disposition: form-data; name=f; filename=\"a.txt\"\r\n\r\nxyz\r\n--b--\r\n "), s(ok)},
			want: []string{`POST / {78 bytes} → 200 OK "ok" [part: f (a.txt), 3 bytes]`}},
		{name: "absolute form", steps: []step{c("GET http://u:p@example.com:80/a/1 HTTP/1.1\r\nHost: other\r\n\r\n"), s(ok)}, want: []string{`GET http://u:•••@example.com:80/a/1 → 200 OK "ok"`}},
		{name: "space in the target", steps: []step{c("GET /a b HTTP/1.1\r\n\r\nGET HTTP/1.1\r\n\r\n"), s(ok + "HTTP/1.1 400\r\nContent-Length: 0\r\n\r\n")}, want: []string{`GET /a b → 200 OK "ok"`, `GET  → 400`}},
		{name: "HTTP/0.9", steps: []step{c("GET /a\r\n"), s("<html>")}, want: []string{`GET /a →  "<html>"`}},
		{name: "HTTP/0.9 answered by HTTP/1.0", steps: []step{c("GET /a\r\n"), s("HTTP/1.0 200 OK\r\n\r\nx")}, want: []string{`GET /a → 200 OK "x" [response version: 1.0]`}},
		{name: "no status line", steps: []step{c(get), s("<html>")}, want: []string{`GET / →  "<html>" (response: it has no status line: it is read as one of HTTP/0.9)`}},
		{name: "408 without request", steps: []step{s("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")}, want: []string{`  → 408 Request Timeout (request: it answers no request that was seen)`}},
		{name: "server first", steps: []step{s(ok), c(get), s(ok)}, want: []string{`  → 200 OK "ok" (request: the response was sent when no request waited for one)`, `GET / → 200 OK "ok"`}},
		{name: "no request at all", steps: []step{c("what is this?\r\n\r\n"), s("HTTP/1.1 400 Bad Request\r\n\r\n")},
			want: []string{`  → 400 Bad Request (request: what the client sent is no request)`}, lost: map[decode.LossReason]int64{decode.LostMalformed: 17}},
		{name: "malformed", steps: []step{c(get + "\x01\x02cruft\r\n" + get), s(ok + "what\r\n" + ok)}, want: []string{`GET / → 200 OK "ok"`, `GET / → 200 OK "ok"`}, lost: map[decode.LossReason]int64{decode.LostMalformed: 9 + 6}},
		{name: "malformed at the end", steps: []step{c(get + "1234567890"), s(ok)}, want: []string{`GET / → 200 OK "ok"`}, lost: map[decode.LossReason]int64{decode.LostMalformed: 10}},
		{name: "chunk without size", steps: []step{c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nxyz\r\n"), c(get), s(ok)},
			want: []string{`GET / → 200 OK "ok" incomplete (response: the size of a chunk is not one)`, `GET / → 200 OK "ok"`}, lost: map[decode.LossReason]int64{decode.LostMalformed: 5}},
		{name: "chunk that is too long", steps: []step{c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok!\r\n")},
			want: []string{`GET / → 200 OK "ok" incomplete (response: a chunk is longer than its size)`}, lost: map[decode.LossReason]int64{decode.LostMalformed: 3}},
		{name: "size of a chunk that overflows", steps: []step{c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n")},
			want: []string{`GET / → 200 OK incomplete (response: the size of a chunk is not one)`}, lost: map[decode.LossReason]int64{decode.LostMalformed: 19}},
	} {
		tt.run(t)
	}
}

// TestSmuggling holds that what may be framed in two ways is framed as RFC 9112
// section 6.3 says, and is named.
func TestSmuggling(t *testing.T) {
	const smuggled = "5\r\nhello\r\n0\r\n\r\n"
	post := func(header string) string { return "POST / HTTP/1.1\r\n" + header + "\r\n\r\n" }
	for _, tt := range []test{
		{name: "both", steps: []step{c(post("Content-Length: 3\r\nTransfer-Encoding: chunked") + smuggled + get), s(ok + ok)}, want: []string{
			`POST / "hello" → 200 OK "ok" (request: it has both Transfer-Encoding and Content-Length (request smuggling?): Transfer-Encoding is used)`, `GET / → 200 OK "ok"`}},
		{name: "equal lengths", steps: []step{c(post("Content-Length: 3\r\nContent-Length: 3") + "abc" + post("Content-Length: 3, 3") + "abc"), s(ok + ok)}, want: []string{`POST / "abc" → 200 OK "ok"`, `POST / "abc" → 200 OK "ok"`}},
		{name: "different lengths", steps: []step{c(post("Content-Length: 3\r\nContent-Length: 4") + "abcd" + get), s(ok)},
			want: []string{`POST / "abcdGET / HTTP/1.1\r\nHost: h\r\n\r\n" → 200 OK "ok" (request: its Content-Lengths differ (request smuggling?): where it ends is not known)`}},
		{name: "negative length", steps: []step{c(post("Content-Length: -3") + "abc"), s(ok)},
			want: []string{`POST / "abc" → 200 OK "ok" (request: its Content-Length is not a length (request smuggling?): where it ends is not known)`}},
		{name: "length that overflows", steps: []step{c(post("Content-Length: 18446744073709551615") + "abc"), s(ok)},
			want: []string{`POST / "abc" → 200 OK "ok" (request: its Content-Length is not a length (request smuggling?): where it ends is not known)`}},
		{name: "leading zeros", steps: []step{c(post("Content-Length: 003") + "abc" + get), s(ok + ok)}, want: []string{`POST / "abc" → 200 OK "ok"`, `GET / → 200 OK "ok"`}},
		{name: "not chunked at the end", steps: []step{c(post("Transfer-Encoding: chunked, identity") + smuggled), s(ok)},
			want: []string{`POST / "5\r\nhello\r\n0\r\n\r\n" → 200 OK "ok" (request: its Transfer-Encoding does not end with chunked (request smuggling?): where it ends is not known)`}},
		{name: "obscured", steps: []step{c(post("Transfer-Encoding: xchunked") + "abc"), s(ok)},
			want: []string{`POST / "abc" xchunked → 200 OK "ok" (request: its Transfer-Encoding is not chunked: where it ends is not known; request: body is xchunked-compressed)`}},
		{name: "space before the colon", steps: []step{c(post("Transfer-Encoding : chunked") + smuggled), s(ok)},
			want: []string{`POST / "hello" → 200 OK "ok" (request: white space surrounds the name of a header field)`}},
		{name: "folded", steps: []step{c(post("Transfer-Encoding:\r\n chunked") + smuggled), s(ok)},
			want: []string{`POST / "hello" → 200 OK "ok" (request: a header field has more than one line (obs-fold))`}},
		{name: "LF among CRLF", steps: []step{c(post("X: y\nContent-Length: 3") + "abc"), s(ok)},
			want: []string{`POST / "abc" → 200 OK "ok" (request: some lines of its header end with LF, others with CRLF (request smuggling?))`}},
		{name: "CR alone", steps: []step{c(post("X: y\rContent-Length: 3") + get), s("HTTP/1.1 200 OK\rContent-Length: 3\r\nContent-Length: 0\r\n\r\n" + ok)},
			want: []string{"POST / → 200 OK\rContent-Length: 3 (request: a CR without LF is in its header (request smuggling?); response: a CR without LF is in its header (request smuggling?))", `GET / → 200 OK "ok"`}},
		{name: "no names", steps: []step{c(post(": x") + post("en-US Content-Length: 3") + post("a\x01: b")), s(ok + ok + ok)}, want: []string{
			`POST / → 200 OK "ok" (request: the name of a header field is not one)`, `POST / → 200 OK "ok" (request: the name of a header field is not one)`, `POST / → 200 OK "ok" (request: the name of a header field is not one)`}},
		{name: "HTTP/1.0", steps: []step{c("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled), s("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")},
			want: []string{`POST / "hello" → 200 OK (request: it has Transfer-Encoding in HTTP/1.0, where it does not exist)`}},
		{name: "more responses than requests", steps: []step{c(get), s(ok + ok), c(get), s(ok)},
			want: []string{`GET / → 200 OK "ok"`, `  → 200 OK "ok" (request: the response was sent when no request waited for one)`, `GET / → 200 OK "ok"`}},
	} {
		tt.run(t)
	}
}

func TestEventStream(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, tt := range []test{
		{name: "chunked", steps: []step{c("GET /ev HTTP/1.1\r\n\r\n"), s(head), s("9\r\ndata: 1\n\n\r\n"), s("5\r\ndata:\r\n4\r\n 2\n\n\r\n0\r\n\r\n"), c(get), s(ok)}, want: []string{
			`GET /ev → 200 OK incomplete begun`, `sse: server message "1"`, `sse: server message "2"`,
			`GET /ev → 200 OK "data: 1\n\ndata: 2\n\n"`, `GET / → 200 OK "ok"`}},
		{name: "until close", steps: []step{c("GET /ev HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\ndata: 2")}, want: []string{
			`GET /ev → 200 OK incomplete begun`, `sse: server message "1"`, `sse: server message "2"`, `GET /ev → 200 OK "data: 1\n\ndata: 2"`}},
		{name: "an error", steps: []step{c("GET /ev HTTP/1.1\r\n\r\n"), s("HTTP/1.1 404 Not Found\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata: 1\n\n")}, want: []string{`GET /ev → 404 Not Found "data: 1\n\n"`}},
	} {
		tt.run(t)
	}
}

func TestGaps(t *testing.T) {
	for _, tt := range []test{
		{name: "in a body", steps: []step{c("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n12"), {side: client, gap: 5, text: "890" + get}, s(ok + ok)},
			want: []string{`POST / "12" of 10 → 200 OK "ok" (request: 5 bytes of its body were not captured)`, `GET / → 200 OK "ok"`}, lost: map[decode.LossReason]int64{decode.LostGap: 5}},
		{name: "in a chunk", steps: []step{c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n1"), {side: server, gap: 4, text: "\r\n0\r\n\r\n"}, c(get), s(ok)},
			want: []string{`GET / → 200 OK "1" of 5 (response: 4 bytes of its body were not captured)`, `GET / → 200 OK "ok"`}, lost: map[decode.LossReason]int64{decode.LostGap: 4}},
		{name: "until close", steps: []step{c(get), s("HTTP/1.1 200 OK\r\n\r\n1"), {side: server, gap: 4, text: "6"}},
			want: []string{`GET / → 200 OK "1" of 6 (response: 4 bytes of its body were not captured)`}, lost: map[decode.LossReason]int64{decode.LostGap: 4}},
		{name: "end of a response", steps: []step{c("GET /1 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n1"), c("GET /2 HTTP/1.1\r\n\r\n"), {side: server, gap: 30, text: "Content-Length: 0\r\n\r\n"}, c("GET /3 HTTP/1.1\r\n\r\n"), s(ok)},
			want: []string{`GET /1 → 200 OK "1" incomplete (response: its end was not captured)`, `GET /2 →  incomplete (its response was not captured)`, `GET /3 → 200 OK "ok"`}, lost: map[decode.LossReason]int64{decode.LostGap: 51}},
		{name: "end of a response that is reported late", steps: []step{c("GET /1 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n1"), c("GET /2 HTTP/1.1\r\n\r\n"), {side: server, gap: 2}, s("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")},
			want: []string{`GET /1 → 200 OK "1" of 3 (response: 2 bytes of its body were not captured)`, `GET /2 → 201 Created`}, lost: map[decode.LossReason]int64{decode.LostGap: 2}},
		{name: "a request", steps: []step{c("GET /1 HTTP/1.1\r\n\r\n"), s(ok), {side: client, gap: 100, text: "rest: x\r\n\r\n"}, s(ok), c("GET /3 HTTP/1.1\r\n\r\n"), s(ok)},
			want: []string{`GET /1 → 200 OK "ok"`, `  → 200 OK "ok" (request: its request was not captured)`, `GET /3 → 200 OK "ok"`}, lost: map[decode.LossReason]int64{decode.LostGap: 111}},
		{name: "pipelined", steps: []step{c("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n"), s(ok), {side: server, gap: 10, text: "ok" + ok}},
			want: []string{`GET /1 → 200 OK "ok"`, `  → 200 OK "ok" (request: which request it answers is not known: a part of the connection was not captured)`, `GET /2 →  incomplete`, `GET /3 →  incomplete`}, lost: map[decode.LossReason]int64{decode.LostGap: 12}},
		{name: "request after a body on one line", steps: []step{c("POST /1 HTTP/1.1\r\nContent-Length: 20\r\n\r\n{"), {side: client, gap: -1, text: "\"b\":1}PUT /2 HTTP/1.1\r\nContent-Length: 0\r\n\r\n"}, s(ok)},
			want: []string{`POST /1 "{" incomplete →  incomplete (request: its end was not captured; its response was not captured)`, `PUT /2 → 200 OK "ok"`},
			lost: map[decode.LossReason]int64{decode.LostGap: -1 + 6}},
	} {
		tt.run(t)
	}
}

func TestMidstream(t *testing.T) {
	for _, tt := range []test{
		{name: "between messages", mid: true, steps: []step{c(get), s(ok)}, want: []string{`GET / → 200 OK "ok"`}},
		{name: "in a request's body", mid: true, steps: []step{c("rest of a body}" + get), s(ok)}, want: []string{`GET / → 200 OK "ok"`}, lost: map[decode.LossReason]int64{decode.LostState: 15}},
		{name: "in a response", mid: true, steps: []step{s("<p>rest\n</html>HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
			want: []string{`  → 200 OK (request: its request was sent before the recording began)`}, lost: map[decode.LossReason]int64{decode.LostState: 15}},
		{name: "response first", mid: true, steps: []step{s(ok), c(get), s(ok)}, want: []string{`  → 200 OK "ok" (request: its request was sent before the recording began)`, `GET / → 200 OK "ok"`}},
		{name: "sides are swapped", mid: true, steps: []step{s(get), c(ok)}, want: []string{`GET / → 200 OK "ok"`}},
	} {
		tt.run(t)
	}
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for _, tt := range []test{
		{name: "long header", limit: 1000, steps: []step{c("POST /a HTTP/1.1\r\nHost: h\r\nX: " + long + "\r\nY: 2\r\nContent-Length: 2\r\n\r\nhi" + get), s(ok + ok)},
			want: []string{`POST /a "hi" → 200 OK "ok" (request: its header is longer than what is held)`, `GET / → 200 OK "ok"`}, lost: map[decode.LossReason]int64{decode.LostTooLong: 3005 + 6 + 19 + 2}},
		{name: "long target", limit: 100, steps: []step{c("GET /" + long[:100] + " HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi" + get), s(ok + ok)},
			want: []string{`GET /` + long[:95] + ` "hi" → 200 OK "ok" (request: its header is longer than what is held)`, `GET / → 200 OK "ok"`}, lost: map[decode.LossReason]int64{decode.LostTooLong: 5 + 11 + 19 + 2}},
	} {
		tt.run(t)
	}
	o := options
	o.Limits.Pending = 3
	got := play(o, []step{c(strings.Repeat(get, 5)), s(strings.Repeat(ok, 5))}, 1000)
	if len(got.texts) != 7 || !strings.Contains(got.texts[0], "too many requests wait") || !strings.Contains(got.texts[2], "its request was emitted before") || got.texts[6] != `GET / → 200 OK "ok"` {
		t.Errorf("more than Limits.Pending: %q", got.texts)
	}
	big := "POST / HTTP/1.1\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("y", 70000)
	got = play(options, []step{c(strings.Repeat(big, 300))}, 1<<20)
	if len(got.texts) != 300 || !strings.Contains(got.texts[0], "too many requests wait") {
		t.Errorf("%d exchanges of large requests, first %q", len(got.texts), got.texts[0])
	}
}

func TestFields(t *testing.T) {
	got := play(options, []step{
		c("POST /u/1?x=2 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\n"), c("\r\n"), c("abc"),
		s("HTTP/1.1 503 Service Unavailable\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 4\r\n\r\nde"), s("fg"),
	}, 1000)
	for _, target := range []string{"http://h:8080?a/b", "http://u@h:8080#/", "http://h:8080", "http://h:8080/@x"} {
		if e := play(options, []step{c("GET " + target + " HTTP/1.1\r\n\r\n"), s(ok)}, 1000).exchanges[0]; e.Host != "h:8080" {
			t.Errorf("%s: host %q", target, e.Host)
		}
	}
	e := got.exchanges[0]
	sec := func(n int64) time.Time { return time.Unix(1000+n, 0) }
	if e.Version != "1.1" || e.Host != "example.com" || e.Group != "POST /u/{id}" || e.Code != 503 || !e.Failed || e.Kind != decode.KindRequest ||
		!e.Started.Equal(sec(1)) || !e.Answered.Equal(sec(4)) || !e.Ended.Equal(sec(5)) {
		t.Errorf("%+v", e)
	}
	if e.Request.Bytes != 64+3 || e.Request.BodyBytes != 3 || e.Response.Bytes != 84 || e.Response.BodyBytes != 4 {
		t.Errorf("bytes: %d %d %d %d", e.Request.Bytes, e.Request.BodyBytes, e.Response.Bytes, e.Response.BodyBytes)
	}
	if !slices.Equal(e.Response.Header, []decode.Field{{Name: "Set-Cookie", Value: "a=•••; Path=/"}, {Name: "Content-Length", Value: "4"}}) {
		t.Errorf("header: %v", e.Response.Header)
	}
}

func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		client, server string
		mid            bool
		want           decode.Verdict
	}{
		{client: "G", want: decode.Maybe}, {client: "GET / HTTP/1.1\r\n", want: decode.Yes}, {client: "\r\nPURGE /x HTTP/1.0\n", want: decode.Yes},
		{client: "GET foo\r\n", want: decode.Maybe}, {client: "GET foo\r\n", server: "+", want: decode.No}, {client: "GET /foo\r\n", want: decode.Maybe}, {client: "GET /foo\r\n", server: "$-1\r\n", want: decode.No},
		{client: "GET /foo\r\n", server: "<html>", want: decode.Yes}, {client: "get foo\r\n", server: "END", want: decode.No}, {client: "*1\r\n", server: ":", want: decode.No},
		{client: "PRI * HTTP/2.0\r\n", server: "\x00", want: decode.No}, {client: "OPTIONS rtsp://h/ RTSP/1.0\r\n", server: "RTSP/1.0 200 OK", want: decode.No}, {client: "\x16\x03\x01", want: decode.Maybe}, {client: "\x16\x03\x01\n", want: decode.No},
		{client: "EHLO x\r\n", server: "220 x ESMTP\r\n", want: decode.No}, {server: "220 x", want: decode.Maybe}, {server: "SSH-2.0-x\r\n", want: decode.Maybe}, {server: "SSH-2.0-x\r\n", mid: true, want: decode.Maybe}, {server: strings.Repeat("x", 2000), want: decode.No},
		{server: "HTTP/1.1 200 OK\r\n", want: decode.Yes}, {server: "HTT", want: decode.Maybe}, {server: "HTTP/1.1 x\r\n", want: decode.Maybe},
		{client: "\x16\x03\x01\n", server: "HTTP/1.1 400 Bad Request\r\n", want: decode.No},
		{client: "body}GET / HTTP/1.1\r\n", mid: true, want: decode.Yes}, {client: "body", mid: true, want: decode.Maybe}, {server: "x\nHTTP/1.1 200 OK\r\n", mid: true, want: decode.Yes},
		{client: "GET /" + strings.Repeat("x", decode.PrefixBytes-5), want: decode.Yes}, {client: strings.Repeat("x", 100), want: decode.Maybe}, {client: "what\r\n", server: "HTTP/1.1 400 Bad Request\r\n", want: decode.Yes},
		{client: "\x01\x02 GET / HTTP/1.1\r\n", server: "HTTP/1.1 200 OK\r\n", want: decode.Yes},
		{client: "CONNECT {\"verbose\":false}\r\n", server: "INFO {}\r\n", want: decode.No},
	} {
		if got := detect(&decode.Prefix{Bytes: [2][]byte{[]byte(tt.client), []byte(tt.server)}, Midstream: tt.mid}); got != tt.want {
			t.Errorf("%.30q %q: %d, want %d", tt.client, tt.server, got, tt.want)
		}
	}
}

func FuzzHTTP1(f *testing.F) {
	f.Add([]byte("\x03" + get + "\x00" + ok + "\x00" + get))
	f.Add([]byte("\x11POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n\x00HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\nid: 1\x00"))
	f.Add([]byte("\x22GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x00HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n\x81\x01x\x00\x81\x81abcdx"))
	captest.Seeds(f, "testdata/*.pcap")
	captest.Seeds(f, "testdata/zeek/*.pcap")
	f.Fuzz(func(t *testing.T, input []byte) {
		captest.Play(input, Protocol())
		if len(input) == 0 {
			return
		}
		// The same bytes as what client and server say in turn, whole and in pieces.
		how, o := input[0], options
		o.Midstream = how&16 != 0
		if how&32 != 0 {
			o.Limits = decode.Limits{Body: 16, Message: 256, Pending: 3, Statements: 3}
		}
		var steps []step
		for i, text := range strings.Split(string(input[1:]), "\x00") {
			st := step{side: decode.Side(i & 1), text: text}
			if i == 2 {
				st.gap = int64(how >> 6)
			}
			steps = append(steps, st)
		}
		pieces, whole := playSides(o, steps, int(how&15)+1, true), playSides(o, steps, 1<<20, true)
		if !slices.Equal(pieces.texts, whole.texts) || fmt.Sprint(pieces.lost) != fmt.Sprint(whole.lost) {
			t.Errorf("in pieces %q %v\nwhole %q %v", pieces.texts, pieces.lost, whole.texts, whole.lost)
		}
	})
}
