package memcached_test

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/memcached"
)

// play runs a decoder with pieces of at most size bytes. A segment is what one
// side sent at once: "> " and the bytes of the client, "< " and those of the
// server, "! " and the length of a gap of the server's, "? " of the client's,
// "~ " a second in which nothing happens.
func play(o decode.Options, size int, segments ...string) (xs []*decode.Exchange, lost map[decode.LossReason]int64) {
	lost = map[decode.LossReason]int64{}
	c := decode.NewConn(o, func(e *decode.Exchange) { xs = append(xs, e) }, func(l decode.Loss) { lost[l.Reason] += l.Bytes })
	d := memcached.Protocol().New(c)
	if o.Datagram {
		d = memcached.Datagrams().New(c)
	}
	at := time.Unix(1000, 0)
	for _, s := range segments {
		at = at.Add(time.Millisecond)
		side, b := decode.Client, []byte(s[2:])
		switch s[0] {
		case '<':
			side = decode.Server
		case '!', '?':
			var n int64
			fmt.Sscan(string(b), &n)
			if s[0] == '!' {
				side = decode.Server
			}
			d.Gap(side, at, n)
			continue
		case '~':
			at = at.Add(time.Second)
			continue
		}
		for len(b) > 0 {
			n := min(size, len(b))
			d.Data(side, at, b[:n])
			b = b[n:]
		}
	}
	d.End(decode.Client, at, decode.Closed)
	d.End(decode.Server, at, decode.Closed)
	return xs, lost
}

func options() decode.Options { return decode.Options{Limits: decode.DefaultLimits()} }

// crlf puts line feeds as CRLF.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// short is an exchange in one line.
func short(e *decode.Exchange) string {
	s := fmt.Sprintf("%s [%s] → %s", e.Method, e.Target, e.Status)
	if e.Kind == decode.KindMessage {
		s = fmt.Sprintf("%s: %s [%s]", e.From, e.Method, e.Target)
	}
	for _, m := range []*decode.Message{&e.Request, &e.Response} {
		if len(m.Body) > 0 {
			s += fmt.Sprintf(" {%s}", m.Body)
		}
		if m.Incomplete {
			s += " incomplete"
		}
	}
	if e.Failed {
		s += " failed"
	}
	for _, d := range e.Details {
		s += fmt.Sprintf(" %s=%s", d.Name, d.Value)
	}
	for _, u := range e.Unknown {
		s += " (" + u + ")"
	}
	return s
}

// packet returns a message of the binary protocol.
func packet(magic, opcode byte, status uint16, opaque uint32, cas uint64, extras, key, value string) string {
	b := []byte{magic, opcode}
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	b = append(b, byte(len(extras)), 0)
	b = binary.BigEndian.AppendUint16(b, status)
	b = binary.BigEndian.AppendUint32(b, uint32(len(extras)+len(key)+len(value)))
	b = binary.BigEndian.AppendUint32(b, opaque)
	b = binary.BigEndian.AppendUint64(b, cas)
	return string(b) + extras + key + value
}

func req(opcode byte, opaque uint32, extras, key, value string) string {
	return packet(0x80, opcode, 0, opaque, 0, extras, key, value)
}

func res(opcode byte, status uint16, opaque uint32, extras, key, value string) string {
	return packet(0x81, opcode, status, opaque, 0, extras, key, value)
}

const (
	zero8  = "\x00\x00\x00\x00\x00\x00\x00\x00"
	count  = "\x00\x00\x00\x00\x00\x00\x00\x02" + zero8 + "\x00\x00\x00\x00"
	value9 = "\x00\x00\x00\x00\x00\x00\x00\x09"
	flags0 = "\x00\x00\x00\x00"
)

func TestExchanges(t *testing.T) {
	for _, c := range []struct {
		name     string
		mid      bool
		segments []string
		want     []string
		lost     map[decode.LossReason]int64
	}{
		{name: "text", segments: []string{
			"> set user:1 5 60 4\r\na\r\nb\r\n", crlf("< STORED\n"),
			crlf("> get user:1\ngets user:1 b user:3\nget none\nincr n 2\ndelete n\nfoo\n"),
			"< VALUE user:1 5 4\r\na\r\nb\r\nEND\r\n" + crlf("VALUE user:1 5 1 77\nx\nVALUE user:3 0 0 78\n\nEND\nEND\n9\nNOT_FOUND\nERROR\n"),
			crlf("> cas k 0 0 1 78 noreply\nx\nset k 0 0 1 noreply\nx\ntouch k 10\nstats items\nversion\nflush_all\nquit\n"),
			crlf("< TOUCHED\nSTAT a 1\nSTAT b 2\nEND\nVERSION 1.6\nOK\n"),
		}, want: []string{
			"set [user:1] → STORED {a\r\nb} flags=5 exptime=60",
			"get [user:1] → VALUE {a\r\nb} value flags=5",
			"gets [user:1 b user:3] → VALUE 2 {VALUE user:1 5 1 77\nx\nVALUE user:3 0 0 78\n\n} hits=2",
			"get [none] → END",
			"incr [n] → 9 delta=2",
			"delete [n] → NOT_FOUND",
			"foo [] → ERROR failed",
			"client: cas [k] {x} flags=0 exptime=0 cas=78 noreply=true",
			"client: set [k] {x} flags=0 exptime=0 noreply=true",
			"client: quit []",
			"touch [k] → TOUCHED exptime=10",
			"stats items [] → END {STAT a 1\nSTAT b 2\n}",
			"version [] → VERSION 1.6",
			"flush_all [] → OK",
		}},
		{name: "meta", segments: []string{
			crlf("> mn\nms a 2 T60 c\nhi\nmg a v t O1\nmg none v q O2\nms b 1 q\nx\nmg b v q k O3\nmd a q\nma n N0 J5 v\nme a\nmg none\nmn\n"),
			crlf("< MN\nHD c12\nVA 2 t60 O1\nhi\nVA 1 kb O3\nx\nVA 1\n5\nME a exp=-1\nEN\nMN\n"),
		}, want: []string{
			"mn [] → MN",
			"ms [a] → HD {hi} flags=T60 c answer flags=c12",
			"mg [a] → VA {hi} flags=v t O1 answer flags=t60 O1",
			"client: mg [none] flags=v q O2 quiet=miss",
			"client: ms [b] {x} flags=q quiet=success",
			"mg [b] → VA {x} flags=v q k O3 answer flags=kb O3",
			"client: md [a] flags=q quiet=success or miss",
			"ma [n] → VA {5} flags=N0 J5 v",
			"me [a] → ME a exp=-1",
			"mg [none] → EN",
			"mn [] → MN",
		}},
		{name: "errors", segments: []string{
			crlf("> set k 0 0 x\nset k 0 0 3\nabcde\nget\n"), crlf("< CLIENT_ERROR bad command line format\nCLIENT_ERROR bad data chunk\nERROR\nERROR\n"),
		}, want: []string{
			"set [k] → CLIENT_ERROR bad command line format failed flags=0 exptime=0",
			"set [k] → CLIENT_ERROR bad data chunk {abc} failed flags=0 exptime=0",
			"empty line [] → ERROR failed",
			"get [] → ERROR failed",
		}},
		{name: "password", segments: []string{
			crlf("> get x\n"), crlf("< CLIENT_ERROR unauthenticated\n"), crlf("> set x 0 0 11\nuser secret\n"), crlf("< STORED\n"), crlf("> set y 0 0 3\na b\n"), crlf("< STORED\n"),
		}, want: []string{
			"get [x] → CLIENT_ERROR unauthenticated failed",
			"set [x] → STORED {•••} flags=0 exptime=0 masked=the first value of a connection may be a user name and a password",
			"set [y] → STORED {a b} flags=0 exptime=0",
		}},
		{name: "watch", segments: []string{
			crlf("> watch fetchers\n"), crlf("< OK\nts=1 gid=2 type=item_get key=k\n"),
		}, want: []string{
			"watch fetchers [] → OK",
			"server: watch [ts=1 gid=2 type=item_get key=k]",
		}},
		{name: "binary", segments: []string{
			"> " + req(0x01, 1, zero8, "user:1", "v") + req(0x00, 2, "", "user:1", "") + req(0x09, 3, "", "none", "") + req(0x0d, 4, "", "user:1", "") + req(0x0a, 5, "", "", ""),
			"< " + packet(0x81, 1, 0, 1, 7, "", "", "") + res(0x00, 0, 2, flags0, "", "v") + res(0x0d, 0, 4, flags0, "user:1", "v") + res(0x0a, 0, 5, "", "", ""),
			"> " + req(0x05, 6, count, "n", "") + req(0x04, 7, "", "x", "") + req(0x10, 8, "", "", "") + req(0x11, 9, zero8, "q", "v") + req(0x60, 10, "", "", "") + req(0x17, 11, "", "", ""),
			"< " + res(0x05, 0, 6, "", "", value9) + res(0x04, 1, 7, "", "", "Not found") + res(0x10, 0, 8, "", "pid", "1") + res(0x10, 0, 8, "", "up", "2") + res(0x10, 0, 8, "", "", "") + res(0x60, 0x81, 10, "", "", "Unknown command"),
		}, want: []string{
			"set [user:1] → No error {v} flags=0 exptime=0 value cas=7",
			"get [user:1] → No error {v} value flags=0",
			"client: getq [none] quiet=miss",
			"getkq [user:1] → No error {v} value flags=0",
			"noop [] → No error",
			"client: quitq []",
			"increment [n] → No error {" + value9 + "} delta=2 initial=0 exptime=0 value=9",
			"delete [x] → Key not found {Not found}",
			"stat [] → No error {pid 1\nup 2\n}",
			"client: setq [q] {v} flags=0 exptime=0 quiet=success",
			"opcode 0x60 [] → Unknown command {Unknown command} failed",
		}},
		{name: "sasl", segments: []string{
			"> " + req(0x20, 1, "", "", "") + req(0x21, 2, "", "PLAIN", "\x00me\x00hunter2"),
			"< " + res(0x20, 0, 1, "", "", "PLAIN") + res(0x21, 0x20, 2, "", "", "Auth failure"),
		}, want: []string{
			"sasl list mechanisms [] → No error {PLAIN}",
			"sasl auth [PLAIN] → Authentication error {•••} {•••} failed",
		}},
		{name: "midstream", mid: true, segments: []string{
			"> lue\r\n", crlf("< STORED\n"), crlf("> get k\n"), crlf("< VALUE k 0 1\nx\nEND\n"), "~ ", crlf("> get k\n"), crlf("< END\n"),
		}, want: []string{
			" [] → STORED incomplete (its command was not captured)",
			"get [k] → VALUE {x} value flags=0 (earlier commands were not captured: the answer may be that of another one)",
			"get [k] → END",
		}, lost: map[decode.LossReason]int64{decode.LostState: 5}},
		{name: "midstream binary", mid: true, segments: []string{
			"> xx" + req(0x00, 2, "", "k", ""), "< yy" + res(0x00, 0, 2, flags0, "", "v"),
		}, want: []string{
			"get [k] → No error {v} value flags=0",
		}, lost: map[decode.LossReason]int64{decode.LostState: 4}},
		{name: "gap", segments: []string{
			crlf("> get a\nget b\n"), crlf("< VALUE a 0 10\n01"), "! 5", crlf("< 789\nEND\nVALUE b 0 4\nx"), "! 20", crlf("< y\nEND\n"), "~ ", crlf("> get c\n"), crlf("< END\n"),
		}, want: []string{
			"get [a] → VALUE {01} value flags=0",
			"get [b] →  {x} incomplete value flags=0 (a part of the answer was not captured)",
			" [] → END incomplete (its command was not captured)",
			"get [c] → END",
		}, lost: map[decode.LossReason]int64{decode.LostGap: 23}},
		{name: "unanswered", segments: []string{crlf("> get a\nset b 0 0 5\nab")}, want: []string{
			"get [a] →  incomplete",
			"set [b] →  {ab} incomplete incomplete flags=0 exptime=0",
		}},
		{name: "malformed", segments: []string{
			"> " + req(0x0a, 1, "", "", "") + "garbage" + req(0x0a, 2, "", "", ""), "< " + res(0x0a, 0, 1, "", "", "") + res(0x0a, 0, 2, "", "", ""),
		}, want: []string{
			"noop [] → No error",
			"noop [] → No error",
		}, lost: map[decode.LossReason]int64{decode.LostMalformed: 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.lost == nil {
				c.lost = map[decode.LossReason]int64{}
			}
			for _, size := range []int{1 << 20, 1, 3} {
				o := options()
				o.Midstream = c.mid
				xs, lost := play(o, size, c.segments...)
				var got []string
				for _, e := range xs {
					got = append(got, short(e))
				}
				if !reflect.DeepEqual(got, c.want) {
					t.Errorf("pieces of %d:\ngot\n%s\nwant\n%s", size, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
				}
				if !reflect.DeepEqual(lost, c.lost) {
					t.Errorf("pieces of %d: lost %v, want %v", size, lost, c.lost)
				}
			}
		})
	}
}

// frame returns a datagram.
func frame(id, seq, total uint16, payload string) string {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = binary.BigEndian.AppendUint16(b, total)
	return string(b) + "\x00\x00" + payload
}

func TestUDP(t *testing.T) {
	o := options()
	o.Datagram = true
	xs, lost := play(o, 1<<20,
		"> "+frame(1, 0, 1, "get a\r\n"), "> "+frame(2, 0, 1, "get b\r\n"), "> "+frame(3, 0, 1, "get c d\r\n"), "> "+frame(4, 0, 1, "get e\r\n"),
		"< "+frame(2, 0, 1, "END\r\n"), "< "+frame(1, 0, 2, "VALUE a 0 4\r\n01"), "< "+frame(1, 1, 2, "23\r\nEND\r\n"),
		"< "+frame(3, 0, 1, "VALUE c 0 1\r\nx\r\n"), "< "+frame(3, 0, 1, "VALUE d 0 1\r\ny\r\nEND\r\n"))
	want := []string{"get [b] → END", "get [a] → VALUE {0123} value flags=0", "get [c d] → VALUE 2 {VALUE c 0 1\nx\nVALUE d 0 1\ny\n} hits=2", "get [e] →  incomplete"}
	var got []string
	for _, e := range xs {
		got = append(got, short(e))
	}
	if !reflect.DeepEqual(got, want) || len(lost) > 0 {
		t.Errorf("got %q, want %q, lost %v", got, want, lost)
	}
}

func TestBounds(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	xs, lost := play(options(), 1000, fmt.Sprintf("> set k 0 0 %d\r\n%s\r\nget k\r\n", len(big), big), fmt.Sprintf("< STORED\r\nVALUE k 0 %d\r\n%s\r\nEND\r\n", len(big), big))
	if len(xs) != 2 || len(lost) != 0 {
		t.Fatal(len(xs), lost)
	}
	for i, m := range []decode.Message{xs[0].Request, xs[1].Response} {
		if len(m.Body) != 64<<10 || !m.Truncated || m.BodyBytes != 1<<20 || m.Incomplete {
			t.Error(i, len(m.Body), m.Truncated, m.BodyBytes)
		}
	}
	o := options()
	o.Limits.Pending = 1
	xs, lost = play(o, 1<<20, "> get a\r\nget b\r\n", "< END\r\nVALUE b 0 1\r\nx\r\nEND\r\n")
	if len(xs) != 2 || short(xs[1]) != "get [b] → VALUE {x} value flags=0" || lost[decode.LostState] != 5 {
		t.Error(len(xs), lost)
	}
	_, lost = play(options(), 1<<20, "> "+strings.Repeat("a", 1<<20)+"\r\n")
	if lost[decode.LostTooLong] != 1<<20+2 {
		t.Error(lost)
	}
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		client, server string
		mid            bool
		want           decode.Verdict
	}{
		{client: "set a 0 0 1\r\nx\r\n", want: decode.Yes},
		{client: "set a 1 ex 5\r\n", want: decode.Maybe},
		{client: "set a 1 ex 5\r\n", server: "+OK\r\n", want: decode.No},
		{client: "get a\r\n", want: decode.Maybe},
		{client: "get a\r\n", server: "END\r\n", want: decode.Yes},
		{client: "get a\r\n", server: "$1\r\na\r\n", want: decode.No},
		{client: "incr a 1\r\n", server: "12\r\n", want: decode.Yes},
		{client: "version\r\n", server: "VERSION 1\r\n", want: decode.Yes},
		{client: "GET / HTTP/1.1\r\n", want: decode.No},
		{server: "220 ready\r\n", want: decode.No},
		{client: "quit\r\n", server: "+OK\r\n", want: decode.No},
		{client: req(0, 1, "", "k", ""), want: decode.Yes},
		{client: req(0, 1, "", "k", "")[:10], want: decode.Maybe},
		{client: "\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x01\x00\x80\x03\x00\x00\x05\x00\x00\x04\x00\x00\x02", want: decode.No}, // SSL 2
		{client: "x\r\nget a\r\n", server: "END\r\n", mid: true, want: decode.Yes},
		{server: res(0, 0, 1, "", "", ""), mid: true, want: decode.Yes},
	} {
		p := &decode.Prefix{Bytes: [2][]byte{[]byte(c.client), []byte(c.server)}, Midstream: c.mid}
		if got := memcached.Detect(p); got != c.want {
			t.Errorf("%q %q: %v, want %v", c.client, c.server, got, c.want)
		}
	}
}

func TestDetectDatagram(t *testing.T) {
	for b, want := range map[string]decode.Verdict{
		frame(1, 0, 1, "get a\r\n"):                        decode.Yes,
		frame(1, 0, 1, req(0, 1, "", "k", "")):             decode.Yes,
		frame(1, 0, 1, "foo a\r\n"):                        decode.No,
		"get a\r\n":                                        decode.No,
		"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00": decode.No, // DNS
	} {
		if got := memcached.DetectDatagram(&decode.Prefix{Bytes: [2][]byte{[]byte(b)}}); got != want {
			t.Errorf("%q: %v, want %v", b, got, want)
		}
	}
}
