package websocket

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

// put returns a frame. Those of the client are masked.
func put(s decode.Side, first byte, payload string) []byte {
	b := []byte{first}
	mask := byte(0)
	if s == decode.Client {
		mask = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if s == decode.Server {
		return append(b, payload...)
	}
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i&3])
	}
	return b
}

func show(e *decode.Exchange) string {
	body := fmt.Sprintf("%q", e.Request.Body)
	if len(body) > 60 {
		body = fmt.Sprintf("%.40s… %d", body, len(e.Request.Body))
	}
	s := fmt.Sprintf("%s %s %s", e.From, e.Method, body)
	if e.Status != "" {
		s += " (" + e.Status + ")"
	}
	if n := e.Detail("frames"); n != "" {
		s += " frames=" + n
	}
	if e.Request.Encoding != "" {
		s += " " + e.Request.Encoding
	}
	if e.Request.Truncated {
		s += fmt.Sprintf(" of %d", e.Request.BodyBytes)
	}
	if e.Request.Incomplete {
		s += " incomplete"
	}
	if len(e.Unknown) > 0 {
		s += ": " + strings.Join(e.Unknown, "; ")
	}
	return s
}

type step struct {
	side decode.Side
	b    []byte
	gap  int64
}

type outcome struct {
	messages []string
	lost     map[decode.LossReason]int64
}

var handshake = []decode.Field{{Name: FactHost, Value: "h"}, {Name: FactTarget, Value: "/chat/7?x"}}

func play(facts []decode.Field, steps []step, size int) (o outcome) {
	o.lost = map[decode.LossReason]int64{}
	c := decode.NewConn(decode.Options{Limits: decode.DefaultLimits()},
		func(e *decode.Exchange) { o.messages = append(o.messages, show(e)) },
		func(l decode.Loss) { o.lost[l.Reason] += l.Bytes })
	c.Facts = facts
	d := newDecoder(c)
	at := time.Unix(1, 0)
	for _, st := range steps {
		at = at.Add(time.Second)
		if st.gap != 0 {
			d.Gap(st.side, at, st.gap)
		}
		for part := range slices.Chunk(st.b, size) {
			d.Data(st.side, at, part)
		}
	}
	d.End(decode.Client, at, decode.Closed)
	d.End(decode.Server, at, decode.Closed)
	return o
}

const (
	client = decode.Client
	server = decode.Server
)

func TestMessages(t *testing.T) {
	long := strings.Repeat("0123456789", 20000)
	for _, tt := range []struct {
		name  string
		facts []decode.Field
		steps []step
		want  []string
		lost  map[decode.LossReason]int64
	}{
		// The frames of RFC 6455 section 5.7.
		{name: "hello", steps: []step{
			{side: server, b: []byte{0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f}},
			{side: client, b: []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}},
			{side: server, b: []byte{0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f}},
			{side: server, b: []byte{0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f}},
			{side: client, b: []byte{0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}},
		}, want: []string{`server text "Hello"`, `client text "Hello"`, `server text "Hello" frames=2`, `server ping "Hello"`, `client pong "Hello"`}},
		{name: "lengths", steps: []step{
			{side: client, b: put(client, 0x82, "")}, {side: client, b: put(client, 0x82, long[:125])}, {side: server, b: put(server, 0x82, long[:126])},
			{side: client, b: put(client, 0x81, long[:65535])}, {side: client, b: put(client, 0x81, long)},
		}, want: []string{
			`client binary ""`, `client binary "012345678901234567890123456789012345678… 125`, `server binary "012345678901234567890123456789012345678… 126`,
			`client text "012345678901234567890123456789012345678… 65535`, `client text "012345678901234567890123456789012345678… 65536 of 200000`,
		}},
		{name: "control frame within a message", steps: []step{
			{side: client, b: slices.Concat(put(client, 0x01, "a"), put(client, 0x89, "p"), put(client, 0x00, "b"), put(client, 0x80, "c"))},
		}, want: []string{`client ping "p"`, `client text "abc" frames=3`}},
		{name: "close", steps: []step{
			{side: client, b: put(client, 0x88, "\x03\xe9bye")}, {side: server, b: put(server, 0x88, "\x03\xe8")}, {side: server, b: put(server, 0x88, "")},
			{side: server, b: put(server, 0x88, "\x03\xea")}, {side: server, b: put(server, 0x88, "\x0f\xa0app")},
		}, want: []string{
			`client close "bye" (1001 going away: bye)`, `server close "" (1000 normal closure)`, `server close "" (1005 no status): it was sent after the close`,
			`server close "" (1002 protocol error): it was sent after the close`, `server close "app" (4000: app): it was sent after the close`,
		}},
		{name: "close as it must not be", steps: []step{
			{side: client, b: put(client, 0x88, "\x03\xed")}, {side: server, b: put(server, 0x88, "\x03")},
		}, want: []string{`client close "" (1005): its code must not be sent`, `server close "\x03": its code has one byte in the place of two`}},
		{name: "a reason that is no text", steps: []step{{side: client, b: put(client, 0x88, "\x03\xe8\xffx")}},
			want: []string{`client close "\xffx" (1000 normal closure: �x): its reason is not UTF-8`}},
		{name: "a text that is none", steps: []step{
			{side: client, b: put(client, 0x81, "ab\xed\xa0\x80")}, {side: client, b: put(client, 0x82, "\xff")}, {side: server, b: put(server, 0x81, "ü"+long[:65533]+"ü")},
			{side: server, b: put(server, 0x01, "\xc3")}, {side: server, b: put(server, 0x80, "\xbc")}, {side: server, b: put(server, 0x81, "\xc3")},
			{side: server, b: put(server, 0x81, "\xff"+long[:70000])},
		}, want: []string{
			`client text "ab\xed\xa0\x80": it is a text that is not UTF-8`, `client binary "\xff"`, `server text "ü01234567890123456789012345678901234567… 65536 of 65537`,
			`server text "ü" frames=2`, `server text "\xc3": it is a text that is not UTF-8`,
			`server text "\xff01234567890123456789012345678901234… 65536 of 70001: it is a text that is not UTF-8`,
		}},
		{name: "a length longer than it must be", steps: []step{
			{side: server, b: []byte("\x81\x7e\x00\x01a")}, {side: server, b: []byte("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x01b")},
		}, want: []string{`server text "a": its length is written longer than it must be`, `server text "b": its length is written longer than it must be`}},
		{name: "secret", steps: []step{{side: client, b: put(client, 0x81, `{"password":"x"}`)}}, want: []string{`client text "{\"password\":\"•••\"}"`}},
		{name: "not allowed, but readable", steps: []step{
			{side: client, b: put(server, 0x81, "a")}, {side: server, b: put(client, 0x81, "b")}, {side: server, b: put(server, 0x89, long[:200])},
			{side: server, b: put(server, 0x08, "\x03\xe8")}, {side: server, b: put(server, 0x80, "x")}, {side: client, b: put(client, 0x01, "x")}, {side: client, b: put(client, 0x81, "y")},
			{side: server, b: put(server, 0xc1, "z")},
		}, want: []string{
			`client text "a": a client must mask its frames`, `server text "b": a server must not mask its frames`,
			`server ping "012345678901234567890123456789012345678… 200: a control frame must not be longer than 125 bytes`,
			`server close "" (1000 normal closure): a control frame must not be fragmented`, `server continuation "x": it continues no message`,
			`client text "x" incomplete: another message begins before its end`, `client text "y"`,
			`server text "z": it has a reserved bit of an extension that was not negotiated`,
		}},
		{name: "an extension that is not known", facts: append(handshake[:2:2], decode.Field{Name: FactExtensions, Value: "x-zip; a=b"}), steps: []step{
			{side: server, b: put(server, 0xa1, "z")},
		}, want: []string{`server text "z": it has the form of the extension x-zip, which is not known`}},
		{name: "reserved opcode", steps: []step{
			{side: server, b: slices.Concat(put(server, 0x81, "a"), put(server, 0x83, "b"), put(server, 0x81, "c"))}, {side: client, b: put(client, 0x81, "d")},
		}, want: []string{`server text "a"`, `server opcode 3 "b": its opcode is reserved`, `server text "c"`, `client text "d"`}},
		{name: "not a length", steps: []step{{side: server, b: append([]byte{0x81, 127, 0xff}, make([]byte, 10)...)}},
			want: []string{`server text "" incomplete: a frame's length is not valid`}, lost: map[decode.LossReason]int64{decode.LostMalformed: 3}},
		{name: "no end", steps: []step{
			{side: server, b: put(server, 0x81, "abc")[:4]}, {side: client, b: put(client, 0x81, "abc")[:3]},
		}, want: []string{`server text "ab" incomplete: the connection ended before it`}, lost: map[decode.LossReason]int64{decode.LostMalformed: 3}},
		{name: "gap in a payload", steps: []step{
			{side: client, b: put(client, 0x81, "abcdefghij")[:9]}, {side: client, gap: 4, b: put(client, 0x81, "abcdefghij")[13:]}, {side: client, b: put(client, 0x81, "k")},
		}, want: []string{`client text "abc" of 10: a part of it was not captured`, `client text "k"`}, lost: map[decode.LossReason]int64{decode.LostGap: 4}},
		{name: "gap anywhere", steps: []step{
			{side: server, b: put(server, 0x81, "abc")[:4]},
			{side: server, gap: 40, b: slices.Concat([]byte("\x81{\"the rest of a message, \xc3\x81 and more"), put(server, 0x81, "one two"), put(server, 0x89, "p"), put(server, 0x81, "three"))},
			{side: server, b: put(server, 0x82, "four")},
		}, want: []string{`server text "ab" incomplete: a part of it was not captured`, `server text "one two"`, `server ping "p"`, `server text "three"`, `server binary "four"`},
			lost: map[decode.LossReason]int64{decode.LostGap: 40 + 37}},
		{name: "midstream", facts: []decode.Field{}, steps: []step{
			{side: client, b: put(client, 0x81, "a text long enough")}, {side: server, b: slices.Concat([]byte("end of one\""), put(server, 0x81, "1234"), put(server, 0x81, "56"), put(server, 0x82, "789"))},
			{side: server, b: put(server, 0xc1, "x")},
		}, want: []string{
			`client text "a text long enough": its handshake was before the recording began`, `server text "1234": its handshake was before the recording began`,
			`server text "56": its handshake was before the recording began`, `server binary "789": its handshake was before the recording began`,
			`server text "x" deflate: it is compressed: what it was compressed with was negotiated and sent before the recording began; its handshake was before the recording began`,
		}, lost: map[decode.LossReason]int64{decode.LostState: 11}},
	} {
		facts := tt.facts
		if facts == nil {
			facts = handshake
		}
		if tt.lost == nil {
			tt.lost = map[decode.LossReason]int64{}
		}
		for _, size := range []int{1 << 20, 1, 2, 3, 7} {
			got := play(facts, tt.steps, size)
			if !slices.Equal(got.messages, tt.want) || fmt.Sprint(got.lost) != fmt.Sprint(tt.lost) {
				t.Errorf("%s, %d bytes at a time:\n got %s\n     %v\nwant %s\n     %v", tt.name, size, strings.Join(got.messages, "\n     "), got.lost, strings.Join(tt.want, "\n     "), tt.lost)
				break
			}
		}
	}
}

func TestFields(t *testing.T) {
	var got *decode.Exchange
	c := decode.NewConn(decode.Options{Limits: decode.DefaultLimits()}, func(e *decode.Exchange) { got = e }, nil)
	c.Facts = append(handshake[:2:2], decode.Field{Name: FactSubprotocol, Value: "graphql-ws"})
	d := newDecoder(c)
	at := time.Unix(1, 0)
	b := put(client, 0x81, "hello")
	d.Data(client, at, b[:1])
	d.Data(client, at.Add(time.Second), b[1:])
	if got.Protocol != Name || got.Host != "h" || got.Target != "/chat/7?x" || got.Group != "text /chat/{id}" || got.Detail("path") != "/chat/7?x" ||
		got.Detail("subprotocol") != "graphql-ws" || got.Request.Bytes != int64(len(b)) || got.Request.BodyBytes != 5 || !got.Started.Equal(at) || !got.Ended.Equal(at.Add(time.Second)) {
		t.Errorf("%+v", got)
	}
}

// compress returns messages as permessage-deflate sends them.
func compress(takeover bool, messages ...string) (out []string) {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	for _, m := range messages {
		b.Reset()
		if !takeover {
			w.Reset(&b)
		}
		_, _ = w.Write([]byte(m))
		_ = w.Flush()
		out = append(out, strings.TrimSuffix(b.String(), "\x00\x00\xff\xff"))
	}
	return out
}

func TestDeflate(t *testing.T) {
	word := "a text that is repeated, and that is known"
	with := append(handshake[:2:2], decode.Field{Name: FactExtensions, Value: "permessage-deflate; server_max_window_bits=15"})
	without := append(handshake[:2:2], decode.Field{Name: FactExtensions, Value: "permessage-deflate; server_no_context_takeover ;client_no_context_takeover"})
	quoted := fmt.Sprintf("%q", word)
	for _, takeover := range []bool{true, false} {
		facts := without
		if takeover {
			facts = with
		}
		z := compress(takeover, word, word, word+"3", "4")
		if takeover && len(z[1]) > 10 {
			t.Fatal("the second message does not refer to the first")
		}
		steps := []step{
			{side: server, b: put(server, 0xc1, z[0])}, {side: client, b: put(client, 0xc1, z[0])},
			{side: server, b: put(server, 0x41, z[1][:2])}, {side: server, b: put(server, 0x89, "p")}, {side: server, b: put(server, 0x80, z[1][2:])},
			{side: server, b: put(server, 0x81, "plain")}, {side: server, b: put(server, 0xc1, z[2])}, {side: server, b: put(server, 0xc1, z[3])},
		}
		want := []string{
			"server text " + quoted + " deflate", "client text " + quoted + " deflate", `server ping "p"`, "server text " + quoted + " frames=2 deflate",
			`server text "plain"`, fmt.Sprintf("server text %q deflate", word+"3"), `server text "4" deflate`,
		}
		for _, size := range []int{1000, 1} {
			if got := play(facts, steps, size); !slices.Equal(got.messages, want) {
				t.Errorf("takeover %v: %s", takeover, strings.Join(got.messages, "\n"))
			}
		}
		// The example of RFC 7692 section 7.2.3.1, then what is not compressed.
		steps = []step{{side: server, b: []byte{0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}}, {side: server, b: put(server, 0xc1, "\xff")}, {side: server, b: put(server, 0xc1, z[0])}}
		got := play(facts, steps, 100).messages
		if got[0] != `server text "Hello" deflate` || !strings.Contains(got[1], "it could not be decompressed") {
			t.Errorf("takeover %v: %q", takeover, got)
		}
		if lost := strings.Contains(got[2], "it refers to a message that could not be decompressed"); lost != takeover {
			t.Errorf("takeover %v: after a message that is damaged: %q", takeover, got[2])
		}
	}
}

// TestCompressedLimit holds that no more is kept of a message that cannot be decompressed.
func TestCompressedLimit(t *testing.T) {
	long := strings.Repeat("no deflate\xff", 20000)
	got := play([]decode.Field{}, []step{{side: server, b: put(server, 0x81, "a text long enough")}, {side: server, b: put(server, 0xc1, long)}}, 1<<20).messages
	if len(got) != 2 || !strings.Contains(got[1], fmt.Sprintf("… 65536 deflate of %d", len(long))) {
		t.Errorf("%q", got)
	}
}

// TestLongDeflate holds that a message is decompressed that is longer than what is held
// of one, and so are those after it that refer to it.
func TestLongDeflate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for text.Len() < 900<<10 {
		fmt.Fprintf(&text, "%x ", r.Uint64())
	}
	long := text.String()
	last := long[len(long)-200:]
	z := compress(true, long, last)
	if len(z[0]) < 300<<10 || len(z[1]) > 30 {
		t.Fatalf("%d and %d bytes", len(z[0]), len(z[1]))
	}
	with := append(handshake[:2:2], decode.Field{Name: FactExtensions, Value: "permessage-deflate"})
	half := len(z[0]) / 2
	steps := []step{{side: server, b: put(server, 0x41, z[0][:half])}, {side: server, b: put(server, 0x89, "p")}, {side: server, b: put(server, 0x80, z[0][half:])}, {side: server, b: put(server, 0xc1, z[1])},
		{side: client, b: put(client, 0xc1, z[0])}, {side: client, b: put(client, 0xc1, z[1])}}
	for _, size := range []int{1 << 20, 1000, 97} {
		got := play(with, steps, size)
		if m := got.messages; len(m) != 5 || !strings.Contains(m[1], fmt.Sprintf("… 65536 frames=2 deflate of %d", len(z[0]))) || !strings.HasSuffix(m[2], "200 deflate") ||
			!strings.Contains(m[3], "… 65536 deflate of") || !strings.HasSuffix(m[4], "200 deflate") || len(got.lost) > 0 {
			t.Errorf("%d bytes at a time: %q %v", size, m, got.lost)
		}
	}
}

func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		name           string
		client, server []byte
		want           decode.Verdict
	}{
		{"text", put(client, 0x81, "sixteen bytes here"), nil, decode.Yes},
		{"short", put(client, 0x81, "short"), nil, decode.Maybe},
		{"from the server", nil, put(server, 0x81, `{"type":"connected"}`), decode.Yes},
		{"both", put(client, 0x8a, ""), put(server, 0x81, `{"type":"connected"}`), decode.Yes},
		{"not masked", put(server, 0x81, "sixteen bytes here"), nil, decode.No},
		{"HTTP", []byte("GET / HTTP/1.1\r\n"), nil, decode.No},
		{"memcached", []byte("\x80\x00\x00\x03"), []byte("\x81\x00\x00\x00\x00\x00\x00\x00"), decode.No},
		{"MySQL", nil, []byte("\x01\x00\x00\x01\x01\x27\x00\x00\x02\x03def"), decode.No},
		{"AMQP", []byte("\x01\x00\x01\x00\x00\x00\x05"), nil, decode.No},
	} {
		if got := detect(&decode.Prefix{Bytes: [2][]byte{tt.client, tt.server}, Midstream: true}); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
		if detect(&decode.Prefix{Bytes: [2][]byte{tt.client, tt.server}}) != decode.No {
			t.Errorf("%s: recognised without a handshake", tt.name)
		}
	}
}

func FuzzWebsocket(f *testing.F) {
	z := compress(true, "hello hello", "hello")
	f.Add(append([]byte{3}, slices.Concat(put(server, 0xc1, z[0]), put(server, 0xc1, z[1]), put(server, 0x88, "\x03\xe8"))...))
	f.Add(append([]byte{16 + 7}, slices.Concat(put(client, 0x01, "a"), put(client, 0x89, "p"), put(client, 0x80, "b"))...))
	captest.Seeds(f, "testdata/*.pcap")
	captest.Seeds(f, "testdata/zeek/*.pcap")
	f.Fuzz(func(t *testing.T, input []byte) {
		captest.Play(input, Protocol())
		if len(input) == 0 {
			return
		}
		// The same bytes as what each side sends, with a gap, whole and in pieces.
		how, in := input[0], input[1:]
		facts := append(handshake[:2:2], decode.Field{Name: FactExtensions, Value: "permessage-deflate"})
		if how&16 != 0 {
			facts = nil
		}
		cut := len(in) / 3
		for _, s := range []decode.Side{client, server} {
			steps := []step{{side: s, b: in[:cut]}, {side: s, gap: int64(how>>5) - 1, b: in[cut:]}}
			pieces, whole := play(facts, steps, int(how&15)+1), play(facts, steps, 1<<20)
			if !slices.Equal(pieces.messages, whole.messages) || fmt.Sprint(pieces.lost) != fmt.Sprint(whole.lost) {
				t.Errorf("in pieces %q %v\nwhole %q %v", pieces.messages, pieces.lost, whole.messages, whole.lost)
			}
		}
	})
}
