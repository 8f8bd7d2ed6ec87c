package http2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"lodge/internal/decode"
)

// peer writes the frames of one side.
type peer struct {
	side decode.Side
	buf  bytes.Buffer
	enc  *hpack.Encoder
}

func newPeer(s decode.Side) *peer {
	p := &peer{side: s}
	p.enc = hpack.NewEncoder(&p.buf)
	return p
}

// frame returns a frame.
func rawFrame(kind, flags byte, stream uint32, payload string) string {
	n := len(payload)
	return string([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags,
		byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream)}) + payload
}

// block encodes fields, which are "name: value".
func (p *peer) block(fields ...string) string {
	p.buf.Reset()
	for _, f := range fields {
		name, value, _ := strings.Cut(f[1:], ": ")
		_ = p.enc.WriteField(hpack.HeaderField{Name: f[:1] + name, Value: value})
	}
	return p.buf.String()
}

func (p *peer) headers(stream uint32, flags byte, fields ...string) step {
	return step{p.side, rawFrame(frameHeaders, flagEndHeaders|flags, stream, p.block(fields...))}
}

// step is what one side sends.
type step struct {
	side decode.Side
	b    string
}

func c(b string) step { return step{decode.Client, b} }
func s(b string) step { return step{decode.Server, b} }

func begin() []step {
	return []step{c(preface + rawFrame(frameSettings, 0, 0, "")), s(rawFrame(frameSettings, 0, 0, "") + rawFrame(frameSettings, flagAck, 0, "")),
		c(rawFrame(frameSettings, flagAck, 0, ""))}
}

var epoch = time.Unix(1e9, 0)

// line is an exchange as a line of text.
func line(e *decode.Exchange) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %s%s -> %s", e.Stream, e.Method, e.Host, e.Target, e.Status)
	if e.Failed {
		b.WriteString(" failed")
	}
	for i, m := range []*decode.Message{&e.Request, &e.Response} {
		name := [2]string{"req", "resp"}[i]
		if len(m.Header) > 0 {
			fmt.Fprintf(&b, " %s%v", name, m.Header)
		}
		if m.BodyBytes > 0 {
			fmt.Fprintf(&b, " %s=%q/%d", name, m.Body, m.BodyBytes)
		}
		if len(m.Trailer) > 0 {
			fmt.Fprintf(&b, " %s trailer %v", name, m.Trailer)
		}
		if m.Incomplete {
			fmt.Fprintf(&b, " %s incomplete", name)
		}
		if m.Truncated {
			fmt.Fprintf(&b, " %s truncated", name)
		}
	}
	if len(e.Details) > 0 {
		fmt.Fprintf(&b, " %v", e.Details)
	}
	for _, u := range e.Unknown {
		fmt.Fprintf(&b, " ?%s", u)
	}
	return b.String()
}

type result struct {
	lines  []string
	losses map[decode.LossReason]int64
}

func play(o decode.Options, config Config, steps []step, cut func(n int) int) result {
	r := result{losses: map[decode.LossReason]int64{}}
	conn := decode.NewConn(o, func(e *decode.Exchange) { r.lines = append(r.lines, line(e)) },
		func(l decode.Loss) { r.losses[l.Reason] += l.Bytes })
	f := decode.NewFlow(conn, []*decode.Protocol{New(config)}, !o.Midstream)
	at := epoch
	for _, st := range steps {
		b := []byte(st.b)
		if strings.HasPrefix(st.b, "GAP") {
			f.Gap(st.side, at, int64(len(b)))
			continue
		}
		for len(b) > 0 {
			n := cut(len(b))
			f.Data(st.side, at, bytes.Clone(b[:n]))
			b = b[n:]
			at = at.Add(time.Millisecond)
		}
	}
	f.End(decode.Client, at, decode.Closed)
	f.End(decode.Server, at, decode.Closed)
	return r
}

// decodeSteps decodes steps whole, byte by byte and at random places, and returns
// what all of them give.
func decodeSteps(t *testing.T, o decode.Options, steps []step) result {
	t.Helper()
	return decodeWith(t, o, Config{}, steps)
}

func decodeWith(t *testing.T, o decode.Options, config Config, steps []step) result {
	t.Helper()
	if o.Limits == (decode.Limits{}) {
		o.Limits = decode.DefaultLimits()
	}
	whole := play(o, config, steps, func(n int) int { return n })
	r := rand.New(rand.NewPCG(1, 2))
	for i, cut := range []func(int) int{
		func(int) int { return 1 },
		func(n int) int { return 1 + r.IntN(n) },
		func(n int) int { return min(n, 1+r.IntN(20)) },
	} {
		if got := play(o, config, steps, cut); fmt.Sprint(got) != fmt.Sprint(whole) {
			t.Errorf("split %d:\n%s\n%v\nwhole:\n%s\n%v", i, strings.Join(got.lines, "\n"), got.losses, strings.Join(whole.lines, "\n"), whole.losses)
		}
	}
	return whole
}

func want(t *testing.T, got result, lines ...string) {
	t.Helper()
	if strings.Join(got.lines, "\n") != strings.Join(lines, "\n") {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got.lines, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

func get(path string) []string {
	return []string{":method: GET", ":scheme: http", ":path: " + path, ":authority: h"}
}

func TestStreams(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	steps := append(begin(),
		cl.headers(1, flagEndStream, get("/a")...),
		cl.headers(3, 0, ":method: POST", ":scheme: https", ":path: /b?token=x", ":authority: h", "authorization: Bearer secret"),
		sv.headers(3, 0, ":status: 100"),
		c(rawFrame(frameData, 0, 3, "hel")),
		sv.headers(3, 0, ":status: 201", "content-type: text/plain"),
		s(rawFrame(frameWindow, 0, 0, "\x00\x00\x10\x00")),
		c(rawFrame(frameData, flagEndStream|flagPadded, 3, "\x04lo\x00\x00\x00\x00")),
		s(rawFrame(frameData, 0, 3, "wor")),
		sv.headers(1, flagEndStream, ":status: 404"),
		s(rawFrame(frameData, flagPadded, 3, "\x02ld\x00\x00")),
		sv.headers(3, flagEndStream, "x-sum: 1"),
		cl.headers(5, flagEndStream, get("/c")...),
		s(rawFrame(frameReset, 0, 5, "\x00\x00\x00\x07")),
		cl.headers(7, flagEndStream, get("/d")...),
		sv.headers(7, 0, ":status: 200"),
		s(rawFrame(frameData, 0, 7, "part")),
		c(rawFrame(frameReset, 0, 7, "\x00\x00\x00\x08")),
		s(rawFrame(frameData, 0, 7, "in flight")),
		cl.headers(9, 0, ":method: POST", ":scheme: http", ":path: /early", ":authority: h"),
		sv.headers(9, flagEndStream, ":status: 413"),
		s(rawFrame(frameReset, 0, 9, "\x00\x00\x00\x00")),
		cl.headers(11, flagEndStream, get("/open")...),
	)
	want(t, decodeSteps(t, decode.Options{}, steps),
		"1 GET h/a -> 404",
		"3 POST h/b?token=••• -> 201 req[{authorization Bearer •••}] req=\"hello\"/5 resp[{content-type text/plain}] resp=\"world\"/5 resp trailer [{x-sum 1}] [{scheme https} {informational 100}]",
		"5 GET h/c -> reset: REFUSED_STREAM failed resp incomplete [{reset REFUSED_STREAM by the server}]",
		`7 GET h/d -> 200 resp="part"/4 resp incomplete [{reset CANCEL by the client}]`,
		"9 POST h/early -> 413 req incomplete",
		"11 GET h/open ->  resp incomplete",
	)
}

func TestGoAway(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	steps := append(begin(),
		cl.headers(1, flagEndStream, get("/1")...),
		cl.headers(3, flagEndStream, get("/3")...),
		s(rawFrame(frameGoAway, 0, 0, "\x7f\xff\xff\xff\x00\x00\x00\x00")),
		s(rawFrame(frameGoAway, 0, 0, "\x00\x00\x00\x01\x00\x00\x00\x0btoo\nmany")),
		cl.headers(5, flagEndStream, get("/5")...),
		sv.headers(1, flagEndStream, ":status: 200"),
	)
	want(t, decodeSteps(t, decode.Options{}, steps),
		"3 GET h/3 -> refused: GOAWAY ENHANCE_YOUR_CALM failed resp incomplete [{refused GOAWAY}]",
		"0 GOAWAY ENHANCE_YOUR_CALM ->  failed [{last stream 1} {debug data too.many}]",
		"5 GET h/5 -> refused: GOAWAY ENHANCE_YOUR_CALM failed resp incomplete [{refused GOAWAY}]",
		"1 GET h/1 -> 200",
	)
}

func TestContinuationAndPriority(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	b := cl.block(append(get("/long"), "x-a: "+strings.Repeat("a", 100), "x-b: b")...)
	steps := append(begin(),
		c(rawFrame(frameHeaders, flagEndStream|flagPriority|flagPadded, 1, "\x03\x00\x00\x00\x00\x10"+b[:7]+"\x00\x00\x00")),
		c(rawFrame(frameContinuation, 0, 1, b[7:50])),
		c(rawFrame(frameContinuation, 0, 1, "")),
		c(rawFrame(frameContinuation, flagEndHeaders, 1, b[50:])),
		sv.headers(1, 0, ":status: 200"),
		s(rawFrame(0x99, 0xff, 77, "a frame of an unknown type")),
		s(rawFrame(frameData, flagEndStream, 1, "")),
	)
	want(t, decodeSteps(t, decode.Options{}, steps),
		"1 GET h/long -> 200 req[{x-a "+strings.Repeat("a", 100)+"} {x-b b}]")
}

func TestPush(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	steps := append(begin(),
		cl.headers(1, flagEndStream, get("/")...),
		s(rawFrame(framePush, flagEndHeaders, 1, "\x00\x00\x00\x02"+sv.block(get("/style.css")...))),
		sv.headers(1, flagEndStream, ":status: 200"),
		sv.headers(2, 0, ":status: 200"),
		s(rawFrame(frameData, flagEndStream, 2, "css")),
		s(rawFrame(framePush, flagEndHeaders, 1, "\x00\x00\x00\x04"+sv.block(get("/x.js")...))),
		c(rawFrame(frameReset, 0, 4, "\x00\x00\x00\x08")),
	)
	want(t, decodeSteps(t, decode.Options{}, steps),
		"1 GET h/ -> 200",
		`2 GET h/style.css -> 200 resp="css"/3 [{pushed on stream 1}]`,
		"4 GET h/x.js ->  resp incomplete [{pushed on stream 1} {reset CANCEL by the client}]",
	)
}

// TestMidstream holds that entries of the table that were not seen are unknown,
// and that those that were inserted later are known.
func TestMidstream(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	// Before the recording: these are in the tables.
	cl.headers(1, flagEndStream, ":method: GET", ":scheme: http", ":path: /old", ":authority: old.example", "x-key: before")
	sv.headers(1, flagEndStream, ":status: 200", "server: before")
	steps := []step{
		s("tail of a body" + rawFrame(frameData, flagEndStream, 1, "rest")),
		cl.headers(3, flagEndStream, ":method: GET", ":scheme: http", ":path: /new", ":authority: old.example", "x-key: before", "x-new: 1"),
		sv.headers(3, 0, ":status: 200", "server: before", "x-s: 1"),
		s(rawFrame(frameData, flagEndStream, 3, "body")),
		cl.headers(5, flagEndStream, ":method: GET", ":scheme: http", ":path: /old", ":authority: old.example", "x-key: other", "x-new: 1"),
		sv.headers(5, flagEndStream, ":status: 200", "x-s: 1"),
	}
	want(t, decodeSteps(t, decode.Options{Midstream: true}, steps),
		`1   ->  req incomplete resp="rest"/4 resp truncated ?request: its header was sent before the recording began`+
			` ?response: its header was sent before the recording began`,
		`3 GET /new -> 200 req[{(unknown) (unknown)} {(unknown) (unknown)} {x-new 1}] resp[{(unknown) (unknown)} {x-s 1}] resp="body"/4`+
			` ?request header: 2 fields are not known (HPACK index 64, 63), their table entry was sent before the recording began`+
			` ?response header: 1 field is not known (HPACK index 62), its table entry was sent before the recording began`,
		`5 GET  -> 200 req[{(unknown) (unknown)} {(unknown) (unknown)} {(unknown) •••} {x-new 1}] resp[{x-s 1}]`+
			` ?request header: 3 fields are not known (HPACK index 66, 65, 64), their table entry was sent before the recording began; among them :path`,
	)
}

// TestGaps holds that a gap in a body costs a part of that body only, and that
// after another one the next frame is found and the table is not trusted.
func TestGaps(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	steps := append(begin(),
		cl.headers(1, flagEndStream, append(get("/1"), "x-a: 1")...),
		cl.headers(3, flagEndStream, append(get("/3"), "x-a: 1")...),
		sv.headers(1, 0, ":status: 200", "server: s"),
	)
	data := rawFrame(frameData, flagEndStream, 1, strings.Repeat("x", 10)+"GAP......."+strings.Repeat("y", 10))
	at := strings.Index(data, "GAP")
	steps = append(steps, s(data[:at]), s(data[at:at+10]), s(data[at+10:]),
		sv.headers(3, flagEndStream, ":status: 200", "server: s"),
	)
	lost := cl.headers(5, flagEndStream, append(get("/5"), "x-b: 2")...)
	after := []step{
		cl.headers(7, flagEndStream, append(get("/7"), "x-a: 1", "x-b: 2", "x-c: 3")...),
		sv.headers(7, flagEndStream, ":status: 200", "server: s"),
		cl.headers(9, flagEndStream, append(get("/7"), "x-c: 3")...),
		sv.headers(9, flagEndStream, ":status: 200", "server: s"),
	}
	steps = append(append(steps, c("GAP"+strings.Repeat(".", len(lost.b)-3)), s(rawFrame(frameHeaders, 5, 5, "\x8d"))), after...)
	got := decodeSteps(t, decode.Options{}, steps)
	unknown := ", their table entry was sent in a part that was not captured"
	want(t, got,
		`1 GET h/1 -> 200 req[{x-a 1}] resp[{server s}] resp="xxxxxxxxxx"/30 resp truncated ?response: a part of its body was not captured`,
		`3 GET h/3 -> 200 req[{x-a 1}] resp[{server s}]`,
		`5   -> 404 req incomplete ?request: its header was sent in a part that was not captured`,
		`7 GET /7 -> 200 req[{(unknown) (unknown)} {(unknown) (unknown)} {(unknown) (unknown)} {x-c 3}] resp[{server s}]`+
			` ?request header: 3 fields are not known (HPACK index 67, 66, 63)`+unknown,
		`9 GET /7 -> 200 req[{(unknown) (unknown)} {x-c 3}] resp[{server s}] ?request header: 1 field is not known (HPACK index 68), its table entry was sent in a part that was not captured`,
	)
	if n := got.losses[decode.LostGap]; n != int64(10+len(lost.b)) {
		t.Errorf("%d bytes lost in gaps", n)
	}
}

func TestTableAgreesWithEncoder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		var buf bytes.Buffer
		enc := hpack.NewEncoder(&buf)
		enc.SetMaxDynamicTableSizeLimit(1 << 16)
		tab := newTable(decode.DefaultLimits())
		for range 100 {
			buf.Reset()
			if r.IntN(5) == 0 {
				enc.SetMaxDynamicTableSize(uint32(r.IntN(1 << (4 + r.IntN(12)))))
			}
			var fs []hpack.HeaderField
			for range r.IntN(10) {
				f := hpack.HeaderField{Name: fmt.Sprint("name-", r.IntN(30)), Value: strings.Repeat("v", r.IntN(100)), Sensitive: r.IntN(10) == 0}
				fs = append(fs, f)
				_ = enc.WriteField(f)
			}
			l, err := tab.decode(buf.Bytes(), 1<<20)
			if err != nil || len(l.fields) != len(fs) {
				t.Fatalf("%d fields, want %d: %v", len(l.fields), len(fs), err)
			}
			for i, f := range fs {
				if g := l.fields[i]; g.name != f.Name || g.value != f.Value || g.noName || g.noValue {
					t.Fatalf("field %d is %+v, want %v", i, g, f)
				}
			}
		}
	}
}
