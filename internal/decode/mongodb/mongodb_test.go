package mongodb

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
)

// wire returns a message.
func wire(id, answerTo uint32, op opcode, content ...[]byte) []byte {
	le := binary.LittleEndian
	body := bytes.Join(content, nil)
	b := le.AppendUint32(nil, uint32(headerLen+len(body)))
	b = le.AppendUint32(b, id)
	b = le.AppendUint32(b, answerTo)
	b = le.AppendUint32(b, uint32(op))
	return append(b, body...)
}

func num(ns ...uint32) (b []byte) {
	for _, n := range ns {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

// msg returns OP_MSG with one body.
func msg(id, answerTo, flags uint32, doc d, more ...[]byte) []byte {
	return wire(id, answerTo, opMsg, append([][]byte{num(flags), {0}, bson(doc)}, more...)...)
}

// section returns documents in a section of their own.
func section(name string, docs ...d) []byte {
	b := append([]byte(name), 0)
	for _, x := range docs {
		b = append(b, bson(x)...)
	}
	return append(append([]byte{1}, num(uint32(len(b)+4))...), b...)
}

// packed returns a message in OP_COMPRESSED.
func packed(how byte, m []byte) []byte {
	h, _ := parseHeader(m)
	data := m[headerLen:]
	switch le := binary.LittleEndian; how {
	case 1: // one literal
		data = append(le.AppendUint16(append(binary.AppendUvarint(nil, uint64(len(data))), 61<<2), uint16(len(data)-1)), data...)
	case 2:
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		z.Write(data)
		z.Close()
		data = b.Bytes()
	case 3: // one block that is stored
		head := le.AppendUint32([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0}, uint32(len(data)))
		data = append(append(head, byte(len(data)<<3|1), byte(len(data)>>5), 0), data...)
	}
	return wire(h.id, h.answerTo, opCompressed, num(uint32(h.op), uint32(len(m)-headerLen)), []byte{how}, data)
}

// checked puts a checksum to a message with the flag for it.
func checked(m []byte) []byte {
	m = append(m, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(m, uint32(len(m)))
	binary.LittleEndian.PutUint32(m[len(m)-4:], crc32.Checksum(m[:len(m)-4], crc32.MakeTable(crc32.Castagnoli)))
	return m
}

// part is what one side sends at once, or a gap.
type part struct {
	side decode.Side
	b    []byte
	gap  int64
}

func c(b ...[]byte) part { return part{side: decode.Client, b: bytes.Join(b, nil)} }
func s(b ...[]byte) part { return part{side: decode.Server, b: bytes.Join(b, nil)} }

func play(o decode.Options, size int, parts ...part) (xs []*decode.Exchange, lost map[decode.LossReason]int64) {
	lost = map[decode.LossReason]int64{}
	conn := decode.NewConn(o, func(e *decode.Exchange) { xs = append(xs, e) }, func(l decode.Loss) { lost[l.Reason] += l.Bytes })
	dec := Protocol().New(conn)
	at := time.Unix(1000, 0)
	for _, p := range parts {
		at = at.Add(time.Millisecond)
		if p.gap > 0 {
			dec.Gap(p.side, at, p.gap)
		}
		for b := p.b; len(b) > 0; {
			n := min(size, len(b))
			dec.Data(p.side, at, b[:n])
			b = b[n:]
		}
	}
	dec.End(decode.Client, at, decode.Closed)
	dec.End(decode.Server, at, decode.Closed)
	return xs, lost
}

// short is an exchange in one line.
func short(e *decode.Exchange) string {
	s := fmt.Sprintf("%s [%s] → %s", e.Method, e.Target, e.Status)
	if e.Kind == decode.KindMessage {
		s = fmt.Sprintf("%s: %s [%s] %s", e.From, e.Method, e.Target, e.Status)
	}
	for _, m := range []*decode.Message{&e.Request, &e.Response} {
		if m.Encoding != "" {
			s += " " + m.Encoding
		}
		if m.Incomplete {
			s += " incomplete"
		}
	}
	if e.Failed {
		s += " failed"
	}
	if e.Code != 0 {
		s += fmt.Sprintf(" %d", e.Code)
	}
	for _, d := range e.Details {
		s += fmt.Sprintf(" %s=%s", d.Name, d.Value)
	}
	for _, u := range e.Unknown {
		s += " (" + u + ")"
	}
	return s
}

func TestExchanges(t *testing.T) {
	ok := d{"n", 1, "ok", 1.0}
	find := d{"find", "users", "filter", d{"age", d{"$gt", 30}, "tag", d{"$in", a{"a", "b"}}, "$or", a{d{"x", 1}, d{"y", nil}}}, "$db", "shop"}
	ping := d{"ping", 1, "$db", "admin"}
	const target = `shop.users {"age":{"$gt":30},"tag":{"$in":["a","b"]},"$or":[{"x":1},{"y":null}]}`
	for _, tt := range []struct {
		name  string
		mid   bool
		parts []part
		want  []string
		lost  map[decode.LossReason]int64
	}{
		{name: "commands", parts: []part{
			c(wire(1, 0, opQuery, num(0), []byte("admin.$cmd\x00"), num(0, 0xffffffff), bson(d{"isMaster", 1, "helloOk", true}))),
			s(wire(101, 1, opReply, num(8, 0, 0, 0, 1), bson(d{"ismaster", true, "ok", 1.0}))),
			c(msg(2, 0, 0, d{"insert", "users", "ordered", true, "$db", "shop"}, section("documents", d{"_id", 1}, d{"_id", 2}))),
			s(msg(102, 2, 0, d{"n", 2, "ok", 1.0})),
			c(msg(3, 0, 0, find)),
			s(msg(103, 3, 0, d{"cursor", d{"firstBatch", a{d{"_id", 1}, d{"_id", 2}}, "id", int64(77), "ns", "shop.users"}, "ok", 1.0})),
			c(msg(4, 0, 0, d{"getMore", int64(77), "collection", "users", "$db", "shop"})),
			s(msg(104, 4, 0, d{"cursor", d{"nextBatch", a{d{"_id", 3}}, "id", int64(0), "ns", "shop.users"}, "ok", 1.0})),
			c(msg(5, 0, 0, d{"update", "users", "$db", "shop"}, section("updates", d{"q", d{"_id", 1}, "u", d{"$set", d{"x", 1}}}))),
			s(msg(105, 5, 0, d{"n", 1, "nModified", 1, "ok", 1.0})),
			c(msg(6, 0, 0, d{"delete", "users", "deletes", a{d{"q", d{"_id", oid("0123456789abcdef01234567")}, "limit", 1}}, "$db", "shop"})),
			s(msg(106, 6, 0, ok)),
			c(msg(7, 0, 0, d{"aggregate", "users", "pipeline", a{d{"$match", d{"a", 1}}, d{"$count", "n"}}, "cursor", d{}, "$db", "shop"})),
			s(msg(107, 7, 0, d{"ok", 0.0, "errmsg", "no such collection", "code", 26, "codeName", "NamespaceNotFound"})),
			c(msg(8, 0, 0, d{"insert", "users", "documents", a{d{"_id", 1}}, "$db", "shop"})),
			s(msg(108, 8, 0, d{"n", 0, "writeErrors", a{d{"index", 0, "code", 11000, "errmsg", "E11000 duplicate key"}}, "ok", 1.0})),
			c(msg(9, 0, 0, d{"killCursors", "users", "cursors", a{int64(77), int64(78)}, "$db", "shop"})), s(msg(109, 9, 0, ok)),
			c(msg(10, 0, 0, d{"getMore", int64(99), "collection", "users", "$db", "shop"})),
			s(msg(110, 10, 0, d{"ok", 0.0, "errmsg", "cursor id 99 not found", "code", 43, "codeName", "CursorNotFound"})),
		}, want: []string{
			"isMaster [admin] → ok",
			"insert [shop.users] → ok n=2 documents=2",
			"find [" + target + "] → ok 2 documents cursor=77",
			"getMore [" + target + "] → ok 1 document cursor=77 of=find " + target,
			`update [shop.users {"_id":1}] → ok n=1 nModified=1 updates=1`,
			`delete [shop.users {"_id":{"$oid":"0123456789abcdef01234567"}}] → ok n=1 deletes=1`,
			`aggregate [shop.users [{"$match":{"a":1}},{"$count":"n"}]] → NamespaceNotFound: no such collection failed 26`,
			"insert [shop.users] → 11000: E11000 duplicate key failed 11000 documents=1 writeErrors=1",
			"killCursors [shop.users] → ok n=1 cursors=2",
			"getMore [shop.users] → CursorNotFound: cursor id 99 not found failed 43 cursor=99 (its cursor was opened on another connection, or before the recording began)",
		}},
		{name: "out of order, unanswered", parts: []part{
			c(msg(1, 0, 0, ping), msg(2, 0, 0, find)), s(msg(102, 2, 0, ok), msg(101, 1, 0, ok)),
			c(msg(3, 0, flagMoreToCome, d{"insert", "users", "$db", "shop"}, section("documents", d{"_id", 1}))), s(msg(103, 3, 0, ok)), c(msg(4, 0, 0, ping)),
		}, want: []string{
			"find [" + target + "] → ok n=1",
			"ping [admin] → ok n=1",
			"client: insert [shop.users]  documents=1",
			"server: insert [shop.users] ok n=1 answer=1 (the request asked for no answer, and got this one)",
			"ping [admin] →  incomplete",
		}},
		{name: "exhaust", parts: []part{
			c(msg(1, 0, 1<<16, d{"hello", 1, "$db", "admin"})), s(msg(101, 1, flagMoreToCome, ok), msg(102, 101, flagMoreToCome, ok), msg(103, 102, 0, ok)),
		}, want: []string{
			"hello [admin] → ok n=1",
			"server: hello [admin] ok n=1 answer=2",
			"server: hello [admin] ok n=1 answer=3",
		}},
		{name: "compressed", parts: []part{
			c(packed(2, msg(1, 0, 0, find))), s(packed(2, msg(101, 1, 0, ok))),
			c(packed(0, msg(2, 0, 0, ping))), s(packed(0, msg(102, 2, 0, ok))),
			c(packed(1, msg(3, 0, 0, find))), s(packed(3, msg(103, 3, 0, ok))),
			c(packed(4, msg(4, 0, 0, ping))), s(packed(1, msg(104, 4, 0, ok))),
			c(packed(3, msg(5, 0, 0, ping))), s(func() []byte { b := packed(1, msg(105, 5, 0, ok)); b[25]++; return b }()),
		}, want: []string{
			"find [" + target + "] → ok n=1 zlib zlib",
			"ping [admin] → ok n=1",
			"find [" + target + "] → ok n=1 snappy zstd",
			"OP_COMPRESSED [] → ok n=1 an unknown compressor snappy (it is compressed with an unknown compressor)",
			"ping [admin] → ok n=1 zstd snappy (of its answer: it could not be decompressed)",
		}},
		{name: "checksum", parts: []part{
			c(checked(msg(1, 0, flagChecksum, ping))), s(checked(msg(101, 1, flagChecksum, ok))),
			c(func() []byte { b := checked(msg(2, 0, flagChecksum, ping)); b[len(b)-1] ^= 1; return b }()), s(msg(102, 2, 0, ok)),
		}, want: []string{
			"ping [admin] → ok n=1",
			"ping [admin] → ok n=1 (its checksum is wrong)",
		}},
		{name: "legacy", parts: []part{
			c(wire(1, 0, opQuery, num(0), []byte("shop.users\x00"), num(0, 2), bson(d{"age", 3}))),
			s(wire(101, 1, opReply, num(8), num(5, 0), num(0, 2), bson(d{"_id", 1}), bson(d{"_id", 2}))),
			c(wire(2, 0, opGetMore, num(0), []byte("shop.users\x00"), num(2, 5, 0))),
			s(wire(102, 2, opReply, num(1), num(0, 0), num(0, 0))),
			c(wire(3, 0, opKillCursors, num(0, 1, 5, 0)), wire(4, 0, opInsert, num(0), []byte("shop.users\x00"), bson(d{"_id", 1}), bson(d{"_id", 2})),
				wire(5, 0, opUpdate, num(0), []byte("shop.users\x00"), num(0), bson(d{"_id", 1}), bson(d{"x", 2})),
				wire(6, 0, opDelete, num(0), []byte("shop.users\x00"), num(0), bson(d{"_id", 1}))),
			c(wire(7, 0, opQuery, num(0), []byte("shop.users\x00"), num(0, 2), bson(d{"$bad", 3}))),
			s(wire(107, 7, opReply, num(2), num(0, 0), num(0, 1), bson(d{"$err", "bad", "code", 17}))),
		}, want: []string{
			`query [shop.users {"age":3}] → 2 documents cursor=5`,
			`getMore [shop.users {"age":3}] → cursor not found failed cursor=5 of=query shop.users {"age":3}`,
			"client: killCursors [5] ",
			"client: insert [shop.users]  documents=2",
			`client: update [shop.users {"_id":1}] `,
			`client: delete [shop.users {"_id":1}] `,
			`query [shop.users {"$bad":3}] → 17: bad failed 17`,
		}},
		{name: "midstream", mid: true, parts: []part{
			c(msg(1, 0, 0, ping)[20:]), s(msg(101, 1, 0, ok)), c(msg(2, 0, 0, ping)), s(msg(102, 2, 0, ok)),
		}, want: []string{
			" [] → ok n=1 incomplete (its request was not captured)",
			"ping [admin] → ok n=1",
		}, lost: map[decode.LossReason]int64{decode.LostState: int64(len(msg(1, 0, 0, ping)) - 20)}},
		{name: "gap", parts: []part{
			c(msg(1, 0, 0, ping), msg(2, 0, 0, ping)), s(msg(101, 1, 0, ok)[:30]), {side: decode.Server, gap: 5}, s(msg(101, 1, 0, ok)[35:], msg(102, 2, 0, ok)),
			c(msg(3, 0, 0, ping), msg(4, 0, 0, ping)), s(msg(103, 3, 0, ok)[:30]), {side: decode.Server, gap: 100}, s([]byte("xx"), msg(104, 4, 0, ok)),
		}, want: []string{
			"ping [admin] →  incomplete",
			"ping [admin] → ok n=1",
			"ping [admin] →  incomplete",
			"ping [admin] → ok n=1",
		}, lost: map[decode.LossReason]int64{decode.LostGap: 107}},
		{name: "malformed", parts: []part{
			c(wire(1, 0, opMsg, num(0), []byte{0}, []byte("\x09\x00\x00\x00\x20a\x00\x00\x00")), []byte("\xff\xff\xff\xff garbage    "), msg(2, 0, 0, ping)), s(msg(102, 2, 0, ok)),
		}, want: []string{
			"ping [admin] → ok n=1",
			" [] →  incomplete (its documents could not be read)",
		}, lost: map[decode.LossReason]int64{decode.LostMalformed: 14 + 16}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.lost == nil {
				tt.lost = map[decode.LossReason]int64{}
			}
			for _, size := range []int{1 << 20, 1, 3} {
				o := limits()
				o.Midstream = tt.mid
				xs, lost := play(o, size, tt.parts...)
				var got []string
				for _, e := range xs {
					got = append(got, short(e))
				}
				if !reflect.DeepEqual(got, tt.want) {
					t.Errorf("pieces of %d:\ngot\n%s\nwant\n%s", size, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
				}
				if !reflect.DeepEqual(lost, tt.lost) {
					t.Errorf("pieces of %d: lost %v, want %v", size, lost, tt.lost)
				}
			}
		})
	}
}

func TestBodies(t *testing.T) {
	xs, _ := play(limits(), 1<<20,
		c(msg(1, 0, 0, d{"insert", "users", "$db", "shop"}, section("documents", d{"_id", 1}, d{"_id", 2}))), s(msg(101, 1, 0, d{"ok", 1})),
		c(msg(2, 0, 0, d{"saslStart", 1, "mechanism", "PLAIN", "payload", []byte("\x00me\x00hunter2"), "$db", "$external"})), s(msg(102, 2, 0, d{"payload", []byte("x"), "done", true, "ok", 1})),
		c(msg(3, 0, 0, d{"hello", 1, "speculativeAuthenticate", d{"saslStart", 1, "payload", []byte("n,,n=me")}, "$db", "admin"})),
		s(msg(103, 3, 0, d{"speculativeAuthenticate", d{"payload", []byte("r=")}, "ok", 1})),
		c(msg(4, 0, 0, d{"createUser", "bob", "pwd", "hunter2", "roles", a{}, "$db", "admin"})), s(msg(104, 4, 0, d{"ok", 1})),
		c(msg(5, 0, 0, d{"find", "users", "filter", d{"payload", "p", "tags.0", d{"$in", a{1, 2, 3}}}, "$db", "shop"})), s(msg(105, 5, 0, d{"ok", 1})),
		c(msg(6, 0, 0, d{"usersInfo", "bob", "showCredentials", true, "$db", "admin"})),
		s(msg(106, 6, 0, d{"users", a{d{"user", "bob", "credentials", d{"SCRAM-SHA-256", d{"storedKey", "k"}}, "x", 1}}, "ok", 1})),
	)
	var got []string
	for _, e := range xs {
		got = append(got, string(e.Request.Body)+" → "+string(e.Response.Body))
	}
	want := []string{
		`{"insert":"users","$db":"shop"}` + "\n" + `{"documents":[{"_id":1},{"_id":2}]} → {"ok":1}`,
		`{"saslStart":1,"mechanism":"PLAIN","payload":"•••","$db":"$external"} → {"payload":"•••","done":true,"ok":1}`,
		`{"hello":1,"speculativeAuthenticate":{"saslStart":1,"payload":"•••"},"$db":"admin"} → {"speculativeAuthenticate":{"payload":"•••"},"ok":1}`,
		`{"createUser":"bob","pwd":"•••","roles":[],"$db":"admin"} → {"ok":1}`,
		`{"find":"users","filter":{"payload":"p","tags.0":{"$in":[1,2,3]}},"$db":"shop"} → {"ok":1}`,
		`{"usersInfo":"bob","showCredentials":true,"$db":"admin"} → {"users":[{"user":"bob","credentials":"•••","x":1}],"ok":1}`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got, want := xs[4].Group, `find shop.users {"payload":?,"tags.0":{"$in":[?]}}`; got != want {
		t.Errorf("group %s, want %s", got, want)
	}
}

func TestBounds(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	xs, lost := play(limits(), 1000, c(msg(1, 0, 0, d{"insert", "users", "documents", a{d{"x", big}}, "$db", "shop"})),
		s(msg(101, 1, 0, d{"cursor", d{"firstBatch", a{d{"x", big}}, "id", int64(7), "ns", "shop.users"}, "ok", 1.0})))
	if len(xs) != 1 || len(lost) > 0 {
		t.Fatal(len(xs), lost)
	}
	if got := short(xs[0]); got != "insert [shop.users] → ok 1 document documents=1 cursor=7" {
		t.Error(got)
	}
	for i, m := range []decode.Message{xs[0].Request, xs[0].Response} {
		if len(m.Body) != 64<<10 || !m.Truncated || m.BodyBytes < 1<<20 || m.Incomplete {
			t.Error(i, len(m.Body), m.Truncated, m.BodyBytes)
		}
	}
	o := limits()
	o.Limits.Message = 1000
	xs, lost = play(o, 1000, c(packed(2, msg(1, 0, 0, d{"insert", "u", "x", big, "$db", "s"}))), s(msg(101, 1, 0, d{"ok", 1})))
	if len(xs) != 1 || len(xs[0].Unknown) != 1 || lost[decode.LostTooLong] == 0 {
		t.Error(short(xs[0]), lost)
	}
	o = limits()
	o.Limits.Pending = 1
	xs, _ = play(o, 1000, c(msg(1, 0, 0, d{"ping", 1}), msg(2, 0, 0, d{"ping", 1})), s(msg(102, 2, 0, d{"ok", 1})))
	if len(xs) != 2 || xs[1].Status != "ok" {
		t.Error(len(xs))
	}
}

func TestDetect(t *testing.T) {
	ping := msg(1, 0, 0, d{"ping", 1, "$db", "admin"})
	answer := msg(2, 1, 0, d{"ok", 1})
	for i, tt := range []struct {
		client, server []byte
		mid            bool
		want           decode.Verdict
	}{
		{client: ping, want: decode.Yes},
		{client: ping[:20], want: decode.Maybe},
		{client: answer, want: decode.No},
		{client: wire(1, 0, opQuery, num(0), []byte("admin.$cmd\x00"), num(0, 1), bson(d{"hello", 1})), want: decode.Yes},
		{client: packed(2, ping), want: decode.Yes},
		{client: []byte("GET / HTTP/1.1\r\n"), want: decode.No},
		{client: []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00"), want: decode.No},
		{server: answer, want: decode.No},
		{server: answer, mid: true, want: decode.Yes},
		{client: append([]byte("rest of something"), ping...), mid: true, want: decode.Yes},
		{client: answer, mid: true, want: decode.Maybe},
	} {
		p := &decode.Prefix{Bytes: [2][]byte{tt.client, tt.server}, Midstream: tt.mid}
		if got := Detect(p); got != tt.want {
			t.Errorf("%d: %v, want %v", i, got, tt.want)
		}
	}
}
