package mqtt

import (
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

func options() decode.Options { return decode.Options{Limits: decode.DefaultLimits()} }

const (
	connect31  = "c \x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01x"
	connect311 = "c \x10\x1a\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01x\x00\x03app\x00\x06sesame"
	connect5   = "c \x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x0a\x00\x01x"
	accept     = "s \x20\x02\x00\x00"
	accept5    = "s \x20\x06\x00\x00\x03\x22\x00\x0a"
	welcome    = "session client CONNECT x → 0x00 Connection Accepted"
	welcome5   = "session client CONNECT x → 0x00 Success"
)

func TestExchanges(t *testing.T) {
	for _, c := range []struct {
		name   string
		script []string
		want   []string
	}{
		{"3.1", []string{connect31, accept, "c \xe0\x00"}, []string{welcome, "message client DISCONNECT"}},
		{"refused", []string{connect311, "s \x20\x02\x00\x05"}, []string{"session client CONNECT x → 0x05 Connection Refused, not authorized (failed)"}},
		{"refused in 5.0", []string{connect5, "s \x20\x03\x00\x87\x00"}, []string{"session client CONNECT x → 0x87 Not authorized (failed)"}},
		{"an older server", []string{connect5, "s \x20\x02\x00\x01"}, []string{"session client CONNECT x → 0x01 Granted QoS 1 (failed)"}},
		{"publish", []string{connect311, accept,
			"c \x30\x05\x00\x01ahi\x32\x07\x00\x01a\x00\x01hi\x34\x07\x00\x01b\x00\x02ho", "s \x40\x02\x00\x01\x50\x02\x00\x02", "c \x62\x02\x00\x02", "s \x70\x02\x00\x02"}, []string{welcome,
			`message client PUBLISH a request "hi"`,
			`request client PUBLISH a → PUBACK request "hi"`,
			`request client PUBLISH b → PUBCOMP request "ho"`,
		}},
		{"delivered", []string{connect5, accept5, "s \x3d\x06\x00\x01a\x00\x01\x00", "c \x50\x03\x00\x01\x87"}, []string{welcome5,
			"request server PUBLISH a → 0x87 Not authorized (failed)",
		}},
		{"subscribe", []string{connect311, accept, "c \x82\x0a\x00\x07\x00\x01a\x01\x00\x01b\x00\xa2\x05\x00\x08\x00\x01a\xc0\x00", "s \x90\x04\x00\x07\x01\x80\xb0\x02\x00\x08\xd0\x00"}, []string{welcome,
			"request client SUBSCRIBE a, b → 0x01 Granted QoS 1, 0x80 Failure (failed)",
			"request client UNSUBSCRIBE a → UNSUBACK",
			"request client PINGREQ → PINGRESP",
		}},
		{"alias", []string{connect5, accept5, "c \x30\x08\x00\x01a\x03\x23\x00\x03x\x30\x07\x00\x00\x03\x23\x00\x03y\x30\x06\x00\x00\x03\x23\x00\x04"}, []string{welcome5,
			`message client PUBLISH a request "x"`,
			`message client PUBLISH a request "y"`,
			"message client PUBLISH unknown: the topic of alias 4 was not seen, or forgotten",
		}},
		{"authentication", []string{connect5, "s \xf0\x09\x18\x07\x15\x00\x01x\x16\x00\x00", accept5, "s \xe0\x01\x8b"}, []string{
			"message server AUTH → 0x18 Continue authentication",
			welcome5,
			"message server DISCONNECT → 0x8b Server shutting down (failed)",
		}},
		{"a session that goes on", []string{connect311, accept, "c \x62\x02\x00\x09", "s \x70\x02\x00\x09\x40\x02\x00\x03"}, []string{welcome,
			"request client PUBREL → PUBCOMP unknown: its PUBLISH was not seen on this connection",
			"message server PUBACK → PUBACK",
		}},
		{"unanswered", []string{connect311, "c \x32\x05\x00\x01a\x00\x01\x82\x06\x00\x02\x00\x01a\x01\xc0\x00\x30\x0a\x00\x01ahal", "C", "S"}, []string{
			`message client PUBLISH a request "hal" request truncated request incomplete`,
			"session client CONNECT x response incomplete",
			"request client PUBLISH a response incomplete",
			"request client SUBSCRIBE a response incomplete",
			"request client PINGREQ response incomplete",
		}},
		{"malformed", []string{connect311, accept, "c \x82\x03\x00\x01\x00\xff\xff\xff\x30\x03\x00\x01a\x30\x03\x00\x01b"}, []string{welcome,
			"message client PUBLISH a", "message client PUBLISH b",
			"lost mqtt malformed: 8 bytes of the client",
		}},
		{"gap in a payload", []string{connect311, accept, "c \x30\x0d\x00\x01a012", "-c 4", "c 789\xc0\x00"}, []string{welcome,
			`message client PUBLISH a request "012" request truncated unknown: a part of its payload was not captured`,
			"request client PINGREQ response incomplete",
			"lost mqtt gap: 4 bytes of the client",
		}},
		{"gap at the end of a payload", []string{connect311, accept, "c \x30\x0d\x00\x01a012", "-c 7", "c \xc0\x00"}, []string{welcome,
			`message client PUBLISH a request "012" request truncated unknown: a part of its payload was not captured`,
			"request client PINGREQ response incomplete",
			"lost mqtt gap: 7 bytes of the client",
		}},
		{"gap beyond a packet", []string{connect311, accept, "c \x30\x0d\x00\x01a012", "-c 40", "c ads\xc0\x00\xc0\x00\x30\x03\x00\x01b"}, []string{welcome,
			`message client PUBLISH a request "012" request truncated request incomplete`,
			"message client PUBLISH b",
			"request client PINGREQ response incomplete",
			"request client PINGREQ response incomplete",
			"lost mqtt gap: 43 bytes of the client",
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
	const unknown = " unknown: the version is that of a CONNECT before the recording began: in 5.0, the payload begins with properties"
	for _, c := range []struct {
		name   string
		script []string
		want   []string
	}{
		{"publish", []string{"c \x30\x0b\x00\x05topichell"}, []string{`message client PUBLISH topic request "hell"` + unknown}},
		{"ping", []string{"c \xc0\x00", "s \xd0\x00\xd0\x00"}, []string{"request client PINGREQ → PINGRESP", "message server PINGRESP unknown: its PINGREQ was not seen"}},
		{"learned", []string{"c \x82\x0c\x00\x07\x00\x00\x06topics\x01", "s \x90\x04\x00\x07\x00\x01\x30\x0b\x00\x05topic\x00hal"}, []string{
			"request client SUBSCRIBE topics → 0x01 Granted QoS 1",
			`message server PUBLISH topic request "hal"`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			captest.Same(t, captest.Script(t, o, Protocol(), c.script...), c.want...)
		})
	}
}

func TestSecrets(t *testing.T) {
	for _, keep := range []bool{false, true} {
		o := options()
		o.Secrets = keep
		text := captest.Text([]captest.Flow{captest.Script(t, o, Protocol(), connect311, accept)})
		if strings.Contains(text, "sesame") != keep || !strings.Contains(text, "app") {
			t.Errorf("secrets %v:\n%s", keep, text)
		}
	}
}

func TestLimits(t *testing.T) {
	o := options()
	o.Limits = decode.Limits{Body: 4, Message: 64, Pending: 2, Statements: 1}
	f := captest.Script(t, o, Protocol(), connect5, accept5,
		"c \x30\x0e\x00\x01a\x000123456789", "c \x82\x69\x00\x01\x00\x00\x63"+strings.Repeat("x", 99)+"\x00",
		"c \x32\x06\x00\x01a\x00\x01\x00\x32\x06\x00\x01a\x00\x02\x00\x32\x06\x00\x01a\x00\x03\x00", "s \x40\x02\x00\x03",
		"c \x30\x07\x00\x01a\x03\x23\x00\x01\x30\x07\x00\x01b\x03\x23\x00\x02\x30\x06\x00\x00\x03\x23\x00\x01")
	captest.Same(t, f, welcome5,
		`message client PUBLISH a request "0123" request truncated`,
		"request client PUBLISH a response incomplete",
		"request client PUBLISH a → 0x00 Success",
		"message client PUBLISH a", "message client PUBLISH b",
		"message client PUBLISH unknown: the topic of alias 1 was not seen, or forgotten",
		"request client PUBLISH a response incomplete",
		"lost mqtt too_long: 107 bytes of the client",
	)
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		client, server string
		midstream      bool
		want           decode.Verdict
	}{
		{"\x10", "", false, decode.Maybe},
		{"\x10\x0f\x00\x06MQ", "", false, decode.Maybe},
		{connect31[2:], "", false, decode.Yes},
		{connect311[2:], "", false, decode.Yes},
		{"\x10\x0f\x00\x05hello", "", false, decode.No},
		{"\x16\x03", "", false, decode.No},
		{"", "hello", false, decode.No},
		{"\xc0\x00", "\xd0\x00", true, decode.Yes},
		{"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", "", true, decode.Maybe}, // LDAP
	} {
		p := &decode.Prefix{Bytes: [2][]byte{[]byte(c.client), []byte(c.server)}, Midstream: c.midstream}
		if got := Protocol().Detect(p); got != c.want {
			t.Errorf("Detect(%q, %q, midstream %v) = %d, want %d", c.client, c.server, c.midstream, got, c.want)
		}
	}
}
