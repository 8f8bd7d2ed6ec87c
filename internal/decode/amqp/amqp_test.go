package amqp

import (
	"encoding/binary"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

func options() decode.Options { return decode.Options{Limits: decode.DefaultLimits()} }

// wire returns a wire as it is sent.
func wire(typ byte, channel uint16, payload string) string {
	b := binary.BigEndian.AppendUint16([]byte{typ}, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return string(b) + payload + "\xce"
}

// call returns the wire of a method with its arguments as they are sent.
func call(channel uint16, class, id byte, args string) string {
	return wire(1, channel, string([]byte{0, class, 0, id})+args)
}

// carry returns greeting and body frames, the body in pieces.
func carry(channel uint16, pieces ...string) string {
	size := binary.BigEndian.AppendUint64(nil, uint64(len(strings.Join(pieces, ""))))
	text := wire(2, channel, "\x00\x3c\x00\x00"+string(size)+"\x80\x00\x04text")
	for _, p := range pieces {
		text += wire(3, channel, p)
	}
	return text
}

func publishes(channel uint16, exchange, key string) string {
	return call(channel, 60, 40, "\x00\x00"+short8(exchange)+short8(key)+"\x00")
}

func delivers(channel uint16, consumer string, tag byte, key string) string {
	return call(channel, 60, 60, short8(consumer)+"\x00\x00\x00\x00\x00\x00\x00"+string([]byte{tag, 0, 0})+short8(key))
}

func ack(channel uint16, tag byte, multiple string) string {
	return call(channel, 60, 80, "\x00\x00\x00\x00\x00\x00\x00"+string([]byte{tag})+multiple)
}

func short8(s string) string { return string([]byte{byte(len(s))}) + s }

func long32(s string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func closing(channel uint16, class byte, code uint16, text string, failed string) string {
	return call(channel, class, map[byte]byte{10: 50, 20: 40}[class], string(binary.BigEndian.AppendUint16(nil, code))+short8(text)+failed)
}

const greeting = "AMQP\x00\x00\x09\x01"

var (
	starts  = call(0, 10, 10, "\x00\x09"+long32(short8("product")+"S"+long32("Rabbit"))+long32("PLAIN")+long32("en_US"))
	startOK = call(0, 10, 11, long32("")+short8("PLAIN")+long32("\x00app\x00sesame")+short8("en_US"))
	tune    = call(0, 10, 30, "\x07\xff\x00\x02\x00\x00\x00\x3c")
	tuneOK  = call(0, 10, 31, "\x07\xff\x00\x02\x00\x00\x00\x3c")
	open    = call(0, 10, 40, short8("/")+"\x00\x00")
	openOK  = call(0, 10, 41, "\x00")
	opening = []string{"c " + call(1, 20, 10, "\x00"), "s " + call(1, 20, 11, long32(""))}
	hello   = []string{"c " + greeting, "s " + starts, "c " + startOK, "s " + tune, "c " + tuneOK + open, "s " + openOK}
)

const (
	welcome = "session client connection.open / → connection.open-ok"
	opened  = "request client channel.open → channel.open-ok"
)

func script(parts ...[]string) []string {
	var all []string
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestExchanges(t *testing.T) {
	for _, c := range []struct {
		name   string
		script []string
		want   []string
	}{
		{"session", script(hello, opening), []string{welcome, opened}},
		{"refused", []string{"c " + greeting, "s " + starts, "c " + startOK, "s " + closing(0, 10, 403, "ACCESS_REFUSED", "\x00\x00\x00\x00"), "c " + call(0, 10, 51, ""), "S"}, []string{
			"session client connection.open → 403 ACCESS_REFUSED (failed)",
			"request server connection.close → 403 ACCESS_REFUSED (failed)",
		}},
		{"another version", []string{"c AMQP\x00\x01\x00\x00", "s " + greeting}, []string{
			"session client connection.open → AMQP 0-9-1 (failed) unknown: AMQP 1.0 is not decoded",
		}},
		{"version 1.0", []string{"c AMQP\x03\x01\x00\x00", "s AMQP\x03\x01\x00\x00\x00\x00", "c more"}, []string{
			"session client connection.open → AMQP 1.0 unknown: AMQP 1.0 is not decoded",
			"lost amqp unknown: 4 bytes of the client", "lost amqp unknown: 2 bytes of the server",
		}},
		{"methods", script(hello, opening, []string{
			"c " + call(1, 50, 10, "\x00\x00"+short8("jobs")+"\x02"+long32("")) + call(1, 40, 10, "\x00\x00"+short8("shop")+short8("topic")+"\x12"+long32("")),
			"s " + call(1, 50, 11, short8("jobs")+"\x00\x00\x00\x03\x00\x00\x00\x00"),
			"c " + call(1, 60, 70, "\x00\x00"+short8("jobs")+"\x01"),
			"s " + call(1, 60, 72, "\x00"),
			"c " + closing(1, 20, 200, "bye", "\x00\x00\x00\x00"),
			"s " + call(1, 20, 41, ""),
		}), []string{welcome, opened,
			"message client exchange.declare shop",
			"request client queue.declare jobs → queue.declare-ok",
			"request client basic.get jobs → basic.get-empty",
			"request client channel.close → 200 bye",
		}},
		{"a channel that fails", script(hello, opening, []string{
			"c " + call(1, 50, 10, "\x00\x00"+short8("jobs")+"\x01"+long32("")),
			"s " + closing(1, 20, 404, "NOT_FOUND - no queue", "\x00\x32\x00\x0a"),
			"c " + call(1, 20, 41, ""),
		}), []string{welcome, opened,
			"request client queue.declare jobs → 404 NOT_FOUND - no queue (failed)",
			"request server channel.close → 404 NOT_FOUND - no queue (failed)",
		}},
		{"published", script(hello, opening, []string{
			"c " + publishes(1, "", "jobs") + carry(1, "hel", "lo") + publishes(1, "shop", "a.b") + carry(1),
		}), []string{welcome, opened,
			`message client basic.publish jobs request "hello"`,
			"message client basic.publish shop/a.b",
		}},
		{"confirmed", script(hello, opening, []string{
			"c " + call(1, 85, 10, "\x00"), "s " + call(1, 85, 11, ""),
			"c " + publishes(1, "", "a") + carry(1, "1") + publishes(1, "", "b") + carry(1, "2") + publishes(1, "", "c") + carry(1, "3") + publishes(1, "", "d") + carry(1, "4"),
			"s " + ack(1, 2, "\x01") + call(1, 60, 120, "\x00\x00\x00\x00\x00\x00\x00\x03\x00") + ack(1, 9, "\x00"),
		}), []string{welcome, opened,
			"request client confirm.select → confirm.select-ok",
			`request client basic.publish a → basic.ack request "1"`,
			`request client basic.publish b → basic.ack request "2"`,
			`request client basic.publish c → basic.nack (failed) request "3"`,
			"message server basic.ack unknown: the message that it acknowledges was not seen",
			`request client basic.publish d request "4" response incomplete`,
		}},
		{"delivered", script(hello, opening, []string{
			"c " + call(1, 60, 20, "\x00\x00"+short8("jobs")+short8("me")+"\x00"+long32("")), "s " + call(1, 60, 21, short8("me")),
			"c " + call(1, 60, 20, "\x00\x00"+short8("jobs")+short8("fast")+"\x02"+long32("")), "s " + call(1, 60, 21, short8("fast")),
			"s " + delivers(1, "me", 1, "x") + carry(1, "one") + delivers(1, "fast", 2, "x") + carry(1, "two") + delivers(1, "who", 3, "x") + carry(1, "three") + delivers(1, "me", 4, "x") + carry(1, "four"),
			"c " + ack(1, 4, "\x01") + ack(1, 4, "\x00"),
		}), []string{welcome, opened,
			"request client basic.consume jobs → basic.consume-ok",
			"request client basic.consume jobs → basic.consume-ok",
			`message server basic.deliver x request "two"`,
			`message server basic.deliver x request "three" unknown: its consumer was not seen: it may be acknowledged`,
			`request server basic.deliver x → basic.ack request "one"`,
			`request server basic.deliver x → basic.ack request "four"`,
			"message client basic.ack",
		}},
		{"got, and channels that interleave", script(hello, opening, []string{
			"c " + call(2, 20, 10, "\x00") + call(1, 60, 70, "\x00\x00"+short8("jobs")+"\x00"),
			"s " + call(2, 20, 11, long32("")) + call(1, 60, 71, "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00"+short8("jobs")+"\x00\x00\x00\x00"),
			"s " + wire(2, 1, "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00") + wire(3, 1, "h") + wire(8, 0, "") + wire(3, 1, "i"),
			"c " + publishes(2, "", "b") + publishes(1, "", "a") + carry(1, "1") + carry(2, "2"),
		}), []string{welcome, opened, opened,
			"message server heartbeat",
			`request client basic.get jobs → basic.get-ok response "hi"`,
			`message client basic.publish a request "1"`,
			`message client basic.publish b request "2"`,
		}},
		{"returned", script(hello, opening, []string{
			"s " + call(1, 60, 50, "\x01\x38"+short8("NO_ROUTE")+"\x00"+short8("x")) + carry(1, "back"),
		}), []string{welcome, opened, `message server basic.return x → 312 NO_ROUTE (failed) request "back"`}},
		{"malformed", script(hello, opening, []string{
			"c " + "\x05\x00\x01junk" + publishes(1, "", "a") + carry(1, "1") + "\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x0a\x00" + publishes(1, "", "b") + carry(1, "2") + call(1, 60, 10, "\x00") + "\x01",
		}), []string{welcome, opened,
			`message client basic.publish a request "1"`,
			`message client basic.publish b request "2"`,
			"lost amqp gap: 1 bytes of the client",
			"lost amqp malformed: 32 bytes of the client",
		}},
		{"gap in a body", script(hello, opening, []string{
			"c " + publishes(1, "", "a") + wire(2, 1, "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00") + "\x03\x00\x01\x00\x00\x00\x0a012", "-c 4", "c 789\xce" + publishes(1, "", "b") + carry(1, "2"),
		}), []string{welcome, opened,
			`message client basic.publish a request "012" request truncated unknown: a part of its body was not captured`,
			`message client basic.publish b request "2"`,
			"lost amqp gap: 4 bytes of the client",
		}},
		{"gap beyond a frame", script(hello, opening, []string{
			"c " + call(1, 85, 10, "\x00"), "s " + call(1, 85, 11, ""),
			"c " + publishes(1, "", "a") + carry(1, "1") + publishes(1, "", "b")[:5], "-c 100", "c 789\xce" + publishes(1, "", "c") + carry(1, "3"),
			"s " + ack(1, 1, "\x00") + ack(1, 4, "\x00"),
		}), []string{welcome, opened,
			"request client confirm.select → confirm.select-ok",
			`message client basic.publish c request "3" unknown: its confirm cannot be told from others, because messages before it were not captured`,
			`request client basic.publish a → basic.ack request "1"`,
			"message server basic.ack unknown: the message that it acknowledges was not seen",
			"lost amqp gap: 109 bytes of the client",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			captest.Same(t, captest.Script(t, options(), Protocol(), c.script...), c.want...)
		})
	}
}

func TestMidstream(t *testing.T) {
	o := options()
	o.Midstream = true
	f := captest.Script(t, o, Protocol(), "c rest\xce"+publishes(3, "", "a")+carry(3, "1"), "s "+call(3, 50, 11, short8("jobs")+"\x00\x00\x00\x03\x00\x00\x00\x00"), "s "+wire(3, 3, "stray"), "c "+publishes(3, "", "b")+carry(3, "2"))
	captest.Same(t, f,
		`message client basic.publish a request "1" unknown: the begin of its channel was not seen: it may be confirmed`,
		"message server queue.declare-ok unknown: what it answers was not seen",
		`message client basic.publish b request "2" unknown: the begin of its channel was not seen: it may be confirmed`,
		"lost amqp state: 5 bytes of the client",
		"lost amqp state: 13 bytes of the server",
	)
}

func TestSecrets(t *testing.T) {
	for _, keep := range []bool{false, true} {
		o := options()
		o.Secrets = keep
		plain := captest.Text([]captest.Flow{captest.Script(t, o, Protocol(), hello...)})
		amqplain := call(0, 10, 11, long32("")+short8("AMQPLAIN")+long32(short8("LOGIN")+"S"+long32("app")+short8("PASSWORD")+"S"+long32("sesame"))+short8("en_US"))
		table := captest.Text([]captest.Flow{captest.Script(t, o, Protocol(), "c "+greeting, "s "+starts, "c "+amqplain)})
		update := captest.Text([]captest.Flow{captest.Script(t, o, Protocol(), script(hello, []string{"c " + call(0, 10, 70, long32("sesame")+short8("renewed"))})...)})
		declare := captest.Text([]captest.Flow{captest.Script(t, o, Protocol(), script(hello, []string{"c " + call(1, 50, 10, "\x00\x00"+short8("app")+"\x00"+long32(short8("password")+"S"+long32("sesame")))})...)})
		for _, text := range []string{plain, table, update, declare} {
			if strings.Contains(text, "sesame") != keep || !strings.Contains(text, "app") {
				t.Errorf("secrets %v:\n%s", keep, text)
			}
		}
	}
}

func TestValues(t *testing.T) {
	inner := short8("x") + "t\x00"
	table := short8("b") + "b\xff" + short8("B") + "B\xff" + short8("s") + "s\xff\xff" + short8("u") + "u\xff\xff" + short8("I") + "I\xff\xff\xff\xff" + short8("i") + "i\xff\xff\xff\xff" +
		short8("l") + "l\xff\xff\xff\xff\xff\xff\xff\xff" + short8("f") + "f\x3f\x00\x00\x00" + short8("d") + "d\x3f\xe0\x00\x00\x00\x00\x00\x00" + short8("D") + "D\x02\x00\x00\x00\x7d" +
		short8("S") + "S" + long32("text") + short8("x") + "x" + long32("\x01\x02") + short8("T") + "T\x00\x00\x00\x00\x00\x00\x00\x05" + short8("V") + "V" +
		short8("A") + "A" + long32("I\x00\x00\x00\x01S"+long32("two")+"F"+long32(inner)) + short8("F") + "F" + long32(inner)
	r := decode.NewReader([]byte(long32(table)))
	var got []string
	for _, f := range fieldTable(r) {
		got = append(got, f.Name+"="+f.Value)
	}
	const want = "b=-1 B=255 s=-1 u=65535 I=-1 i=4294967295 l=-1 f=0.5 d=0.5 D=125e-2 S=text x=0102 T=5 V= A=[1, two, {x=false}] F.x=false"
	if s := strings.Join(got, " "); s != want || r.Short() {
		t.Errorf("%s, short %v", s, r.Short())
	}
	deep := ""
	for range 100 {
		deep = short8("a") + "F" + long32(deep)
	}
	if r := decode.NewReader([]byte(long32(deep))); fieldTable(r) == nil && !r.Short() {
		t.Error("a table in 100 tables is read")
	}
	many := fieldTable(decode.NewReader([]byte(long32(strings.Repeat("\x01aV", 5000)))))
	if len(many) != maxFields+1 || many[maxFields].Name != "…" {
		t.Errorf("%d fields are kept", len(many))
	}
}

func TestLimits(t *testing.T) {
	o := options()
	o.Limits = decode.Limits{Body: 4, Message: 100, Pending: 2, Statements: 2}
	lines := script(hello, opening, []string{
		"c " + call(1, 85, 10, "\x00"), "s " + call(1, 85, 11, ""),
		"c " + publishes(1, "", "a") + carry(1, "01234", "56789") + publishes(1, "", "b") + carry(1) + publishes(1, "", "c") + carry(1),
		"c " + call(1, 50, 10, "\x00\x00"+short8("jobs")+"\x01"+long32(strings.Repeat("x", 200))),
		"c " + call(2, 20, 10, "\x00") + call(3, 20, 10, "\x00"),
	})
	captest.Same(t, captest.Script(t, o, Protocol(), lines...), welcome, opened,
		"request client confirm.select → confirm.select-ok",
		`request client basic.publish a request "0123" request truncated response incomplete`,
		"request client basic.publish b response incomplete",
		"request client basic.publish c response incomplete",
		"request client channel.open response incomplete",
		"request client channel.open response incomplete",
		"lost amqp too_long: 224 bytes of the client",
	)
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		client, server string
		midstream      bool
		want           decode.Verdict
	}{
		{"AMQ", "", false, decode.Maybe},
		{greeting, "", false, decode.Yes},
		{"AMQP\x00\x01\x00\x00", "", false, decode.Yes},
		{"AMQPxxxx", "", false, decode.No},
		{"", starts, false, decode.No},
		{"", starts, true, decode.Yes},
		{publishes(1, "", "a"), "", true, decode.Yes},
		{"", publishes(1, "", "a"), true, decode.Maybe},
		{"", "", true, decode.No},
	} {
		p := &decode.Prefix{Bytes: [2][]byte{[]byte(c.client), []byte(c.server)}, Midstream: c.midstream}
		if got := Protocol().Detect(p); got != c.want {
			t.Errorf("Detect(%q, %q, midstream %v) = %d, want %d", c.client, c.server, c.midstream, got, c.want)
		}
	}
}
