package http2

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
)

// echo is a protocol that emits what it is given.
type echo struct{ c *decode.Conn }

func (x echo) Data(s decode.Side, at time.Time, b []byte) {}

func (x echo) Gap(decode.Side, time.Time, int64) {}

func (x echo) End(s decode.Side, at time.Time, how decode.End) {
	x.c.Emit(&decode.Exchange{Method: "end of", Target: s.String(), Host: fmt.Sprint(x.c.Facts)})
}

func TestExtendedConnect(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	connect := []string{":method: CONNECT", ":protocol: websocket", ":scheme: https", ":path: /chat", ":authority: h"}
	steps := append(begin(),
		cl.headers(1, 0, connect...),
		sv.headers(1, 0, ":status: 200", "sec-websocket-protocol: chat"),
		c(rawFrame(frameData, 0, 1, "hello")),
		s(rawFrame(frameData, flagEndStream, 1, "bye")),
		c(rawFrame(frameReset, 0, 1, "\x00\x00\x00\x08")),
		cl.headers(3, 0, ":method: CONNECT", ":authority: db:5432"),
		sv.headers(3, 0, ":status: 200"),
		c(rawFrame(frameData, 0, 3, "ab")),
		s(rawFrame(frameData, flagEndStream, 3, "cde")),
		c(rawFrame(frameData, flagEndStream, 3, "")),
		cl.headers(5, 0, connect...),
		sv.headers(5, flagEndStream, ":status: 403"),
		c(rawFrame(frameReset, 0, 5, "\x00\x00\x00\x00")),
	)
	config := Config{Tunnels: map[string]*decode.Protocol{"websocket": {New: func(c *decode.Conn) decode.Decoder { return echo{c} }}}}
	want(t, decodeWith(t, decode.Options{}, config, steps),
		"1 CONNECT h/chat -> 200 resp[{sec-websocket-protocol chat}] [{scheme https} {protocol websocket}]",
		"1 end of [{host h} {target /chat} {extensions } {subprotocol chat}]server -> ",
		"1 end of [{host h} {target /chat} {extensions } {subprotocol chat}]client -> ",
		`3 CONNECT db:5432db:5432 -> 200 req="ab"/2 resp="cde"/3`,
		"5 CONNECT h/chat -> 403 req incomplete [{scheme https} {protocol websocket} {reset NO_ERROR by the client}]",
	)
}

// TestUpgrade is the upgrade from HTTP/1.1: stream 1 answers a request that is
// not on it, and the server speaks first.
func TestUpgrade(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	conn := decode.NewConn(decode.Options{Limits: decode.DefaultLimits()}, nil, nil)
	conn.Facts = []decode.Field{{Name: FactMethod, Value: "GET"}, {Name: FactTarget, Value: "/up"}, {Name: FactHost, Value: "h"}}
	var lines []string
	*conn = *decode.NewConn(conn.Options, func(e *decode.Exchange) { lines = append(lines, line(e)) }, nil)
	conn.Facts = []decode.Field{{Name: FactMethod, Value: "GET"}, {Name: FactTarget, Value: "/up"}, {Name: FactHost, Value: "h"}}
	d := newDecoder(conn, &Config{})
	for _, st := range []step{
		s(rawFrame(frameSettings, 0, 0, "")), sv.headers(1, 0, ":status: 200"), c(preface + rawFrame(frameSettings, 0, 0, "")),
		s(rawFrame(frameData, flagEndStream, 1, "ok")), cl.headers(3, flagEndStream, get("/3")...), sv.headers(3, flagEndStream, ":status: 200"),
	} {
		d.Data(st.side, epoch, []byte(st.b))
	}
	want(t, result{lines: lines}, `1 GET h/up -> 200 resp="ok"/2 [{upgrade the request was sent with HTTP/1.1}]`, "3 GET h/3 -> 200")
}

func TestEvents(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	steps := append(begin(),
		cl.headers(1, flagEndStream, get("/events")...),
		sv.headers(1, 0, ":status: 200", "content-type: text/event-stream"),
		s(rawFrame(frameData, 0, 1, "data: a\n\ndata: b")),
		s(rawFrame(frameData, flagEndStream, 1, "\n\n")),
	)
	got := decodeSteps(t, decode.Options{}, steps)
	if len(got.lines) != 4 || !strings.Contains(got.lines[1], `"a"`) || !strings.Contains(got.lines[2], `"b"`) {
		t.Errorf("got\n%s", strings.Join(got.lines, "\n"))
	}
}

// TestMalformed holds that what is not HTTP/2 is counted, and that the next frame
// is found.
func TestMalformed(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	steps := append(begin(),
		c(rawFrame(framePing, 0, 3, "not on a stream")),
		cl.headers(1, flagEndStream, get("/1")...),
		c(rawFrame(frameData, flagPadded, 3, "\x09short")),
		c(rawFrame(frameHeaders, flagEndHeaders|flagEndStream, 3, "\xff\xff\xff")),
		sv.headers(1, flagEndStream, ":status: 200"),
		c(rawFrame(frameContinuation, flagEndHeaders, 3, "?")),
		cl.headers(5, flagEndStream, get("/5")...),
		sv.headers(3, flagEndStream, ":status: 400"),
		sv.headers(5, flagEndStream, ":status: 200"),
	)
	got := decodeSteps(t, decode.Options{}, steps)
	want(t, got,
		"1 GET h/1 -> 200",
		"3   -> 400 ?request header: it is not valid HPACK",
		"5 GET /5 -> 200 req[{(unknown) (unknown)}] ?request header: 1 field is not known (HPACK index 63), its table entry was sent in a header block that could not be decoded",
	)
	if got.losses[decode.LostMalformed] != 24+15+12+10 || len(got.losses) != 1 {
		t.Errorf("losses %v", got.losses)
	}
}

// TestBounds holds that memory does not grow with what is sent: many streams,
// long header blocks, references to large entries, a large table.
func TestBounds(t *testing.T) {
	limits := decode.Limits{Body: 1 << 10, Message: 8 << 10, Pending: 16, Statements: 16}
	n := 0
	conn := decode.NewConn(decode.Options{Limits: limits}, func(*decode.Exchange) { n++ }, nil)
	d := newDecoder(conn, &Config{})
	cl := newPeer(decode.Client)
	d.Data(decode.Client, epoch, []byte(preface))
	big := cl.block("x-big: " + strings.Repeat("v", 3000))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 5000 {
		id := uint32(2*i + 1)
		block := cl.block(get(fmt.Sprint("/", i))...)
		if i%10 == 0 {
			block += big + strings.Repeat("\xbe", 4000)
		}
		d.Data(decode.Client, epoch, []byte(rawFrame(frameHeaders, 0, id, block)))
		for range 10 {
			d.Data(decode.Client, epoch, []byte(rawFrame(frameContinuation, 0, id, strings.Repeat("\xbe", 1000))))
		}
		d.Data(decode.Client, epoch, []byte(rawFrame(frameContinuation, flagEndHeaders, id, "")))
		d.Data(decode.Client, epoch, []byte(rawFrame(frameData, 0, id, strings.Repeat("b", 2000))))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d bytes are held", grown)
	}
	if n != 5000-limits.Pending {
		t.Errorf("%d exchanges", n)
	}
	runtime.KeepAlive(d)
}

func TestDetect(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	request := cl.headers(1, flagEndStream, get("/")...).b
	response := sv.headers(1, flagEndStream, ":status: 200").b
	settings := rawFrame(frameSettings, 0, 0, "\x00\x03\x00\x00\x00\x64")
	zeros := string(make([]byte, 4096))
	for _, tt := range []struct {
		client, server string
		mid            bool
		want           decode.Verdict
	}{
		{preface, "", false, decode.Yes},
		{preface[:10], settings, false, decode.Maybe},
		{"PRI * HTTP/1.1\r\n", "", false, decode.No},
		{"", settings, false, decode.Maybe},
		{"", "HTTP/1.1 200 OK\r\n", false, decode.No},
		{request, "", false, decode.No},
		{request, "", true, decode.Yes},
		{"", response, true, decode.Yes},
		{response, request, true, decode.No},
		{response, "", true, decode.No},
		{"garbage" + request + settings, "", true, decode.Yes},
		{strings.Repeat(rawFrame(frameWindow, 0, 0, "\x00\x00\x10\x00"), 5), "", true, decode.Yes},
		{rawFrame(framePing, 0, 0, "12345678"), "", true, decode.Maybe},
		{zeros, zeros, true, decode.No},
		{"GET / HTTP/1.1\r\nHost: h\r\n\r\n" + strings.Repeat("x", 2000), "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 2000), true, decode.No},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("r", 2000), strings.Repeat("\x16\x03\x03", 900), true, decode.No},
	} {
		p := &decode.Prefix{Bytes: [2][]byte{[]byte(tt.client), []byte(tt.server)}, Midstream: tt.mid}
		if got := detect(p); got != tt.want {
			t.Errorf("%.40q, %.40q, midstream %v: %v, want %v", tt.client, tt.server, tt.mid, got, tt.want)
		}
	}
}

// TestFound holds that a frame is found in the middle of other bytes.
func TestFound(t *testing.T) {
	cl := newPeer(decode.Client)
	noise := bytes.Repeat([]byte("some bytes of a body \x00\x01\x02\x00\x00\x00"), 20)
	b := append(bytes.Clone(noise), cl.headers(1, flagEndStream, get("/")...).b...)
	for _, step := range []int{1, 7, 100, len(b)} {
		var q search
		at := 0
		for n := step; ; n = min(n+step, len(b)) {
			i, ok := q.find(b[at:n])
			if ok {
				if at+i != len(noise) {
					t.Errorf("found at %d, want %d", at+i, len(noise))
				}
				break
			}
			if n == len(b) {
				t.Error("not found")
				break
			}
			at += q.drop()
		}
	}
}
