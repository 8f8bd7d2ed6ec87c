package dns

import (
	"encoding/binary"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

func options() decode.Options { return decode.Options{Limits: decode.DefaultLimits()} }

const (
	asked    = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + www + "\x00\x01\x00\x01"
	answered = "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + www + "\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x01"
	missing  = "\x12\x34\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00" + www + "\x00\x01\x00\x01"
	other    = "\x12\x35\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + www + "\x00\x1c\x00\x01"
	www      = "\x03www\x04test\x00"
)

// framed returns messages as a stream has them.
func framed(messages ...string) string {
	var b []byte
	for _, m := range messages {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(m))), m...)
	}
	return string(b)
}

func TestDatagrams(t *testing.T) {
	for _, c := range []struct {
		name   string
		script []string
		want   []string
	}{
		{"answered", []string{"c " + asked, "s " + answered}, []string{"request client A www.test → NOERROR"}},
		{"missing", []string{"c " + asked, "s " + missing}, []string{"request client A www.test → NXDOMAIN (failed)"}},
		{"out of order, sent again, unanswered", []string{"c " + asked, "c " + other, "c " + asked, "s " + answered, "s " + answered}, []string{
			"request client A www.test → NOERROR",
			"request client A www.test → NOERROR unknown: its query was not seen, or was answered before",
			"request client AAAA www.test response incomplete",
		}},
		{"another question", []string{"c " + asked, "s " + strings.Replace(answered, "www", "xyz", 1)}, []string{
			"request client A xyz.test → NOERROR unknown: its query was not seen, or was answered before",
			"request client A www.test response incomplete",
		}},
		{"mDNS", []string{"c \x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00" + www + "\x00\x01\x80\x01\x00\x00\x00\x78\x00\x04\x0a\x00\x00\x01"}, []string{"message client A www.test → NOERROR"}},
		{"malformed", []string{"c " + asked, "s short", "s " + answered + "more", "c " + asked[:20]}, []string{
			"request client A www.test → NOERROR",
			"lost dns malformed: 20 bytes of the client",
			"lost dns malformed: 9 bytes of the server",
		}},
		{"lost", []string{"c " + asked, "-s 50"}, []string{"request client A www.test response incomplete", "lost dns gap: 50 bytes of the server"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			captest.Same(t, captest.Script(t, options(), DatagramProtocol(), c.script...), c.want...)
		})
	}
}

func TestStreams(t *testing.T) {
	const (
		soa   = "\x00\x00\x06\x00\x01\x00\x00\x00\x01\x00\x16\x00\x00\x00\x00\x00\x2a\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04"
		ns    = "\x00\x00\x02\x00\x01\x00\x00\x00\x01\x00\x01\x00"
		axfr  = "\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\xfc\x00\x01"
		first = "\x00\x01\x84\x00\x00\x01\x00\x02\x00\x00\x00\x00\x00\x00\xfc\x00\x01" + soa + ns
		last  = "\x00\x01\x84\x00\x00\x00\x00\x02\x00\x00\x00\x00" + ns + soa
	)
	for _, c := range []struct {
		name   string
		script []string
		want   []string
	}{
		{"pipelined, out of order", []string{"c " + framed(asked, other), "s " + framed(strings.NewReplacer("\x12\x34", "\x12\x35", "\x00\x01\x00\x01\xc0", "\x00\x1c\x00\x01\xc0").Replace(answered), answered)}, []string{
			"request client AAAA www.test → NOERROR", "request client A www.test → NOERROR",
		}},
		{"transfer", []string{"c " + framed(axfr), "s " + framed(first), "s " + framed(last, last)}, []string{
			"request client AXFR . → NOERROR",
			"request client NS . → NOERROR unknown: its query was not seen, or was answered before",
		}},
		{"transfer that ends early", []string{"c " + framed(axfr), "s " + framed(first), "S"}, []string{"request client AXFR . → NOERROR response incomplete"}},
		{"malformed", []string{"c " + framed(asked, "junk", other)}, []string{
			"request client A www.test response incomplete", "request client AAAA www.test response incomplete",
			"lost dns malformed: 6 bytes of the client",
		}},
		{"gap within a message", []string{"c " + framed(asked, other)[:40], "-c 12", "c " + framed(asked, other)[52:] + framed(asked), "s " + framed(answered)}, []string{
			"request client A www.test → NOERROR",
			"lost dns gap: 28 bytes of the client",
		}},
		{"gap beyond a message", []string{"c " + framed(asked, other)[:40], "-c 100", "c xyz" + framed(asked), "s " + framed(answered)}, []string{
			"request client A www.test → NOERROR",
			"lost dns gap: 115 bytes of the client",
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
	captest.Same(t, captest.Script(t, o, Protocol(), "s "+framed(answered), "c "+framed(other), "s rest"),
		"request client A www.test → NOERROR unknown: its query was not seen, or was answered before",
		"request client AAAA www.test response incomplete",
		"lost dns gap: 4 bytes of the server",
	)
	// The side that is called client is the server.
	captest.Same(t, captest.Script(t, o, DatagramProtocol(), "c "+answered, "s "+other),
		"request client A www.test → NOERROR unknown: its query was not seen, or was answered before",
		"request client AAAA www.test response incomplete",
	)
}

func TestLimits(t *testing.T) {
	o := options()
	o.Limits.Pending, o.Limits.Message = 2, 64
	captest.Same(t, captest.Script(t, o, Protocol(), "c "+framed("\x00\x01"+asked[2:], "\x00\x02"+asked[2:], "\x00\x03"+asked[2:])+framed(strings.Repeat("x", 100), "\x00\x04"+asked[2:])),
		"request client A www.test response incomplete", "request client A www.test response incomplete",
		"request client A www.test response incomplete", "request client A www.test response incomplete",
		"lost dns too_long: 102 bytes of the client",
	)
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		message string
		at      int
		want    string
		next    int // 0: it is none
	}{
		{"\x00", 0, ".", 1},
		{www, 0, "www.test", 10},
		{www + "\x01a\xc0\x04x", 10, "a.test", 14},
		{"\x03a.b\x02\x00 \x00", 0, `a\.b.\000\032`, 8},
		{"\xc0\x00", 0, "", 0},              // itself
		{"\x01a\xc0\x04\xc0\x00", 4, "", 0}, // a circle
		{"\xc0\x02\x00", 0, "", 0},          // forward
		{"\x03ab", 0, "", 0},                // cut
		{"\x80", 0, "", 0},                  // no kind of label
		{strings.Repeat("\x3f"+strings.Repeat("x", 63), 4) + "\x00", 0, "", 0}, // too long
	} {
		r := &reader{b: []byte(c.message), at: c.at}
		got := r.name()
		if got != c.want || r.bad != (c.next == 0) || !r.bad && r.at != c.next {
			t.Errorf("name of %q at %d = %q, bad %v, at %d", c.message, c.at, got, r.bad, r.at)
		}
	}
}

func TestData(t *testing.T) {
	for _, c := range []struct {
		typ        uint16
		data, want string
	}{
		{1, "\x0a\x00\x00\x01", "10.0.0.1"},
		{1, "\x0a\x00\x00", `\# 3 0a0000`},
		{28, "\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "fd00::1"},
		{15, "\x00\x0a" + www, "10 www.test"},
		{16, "\x02ab\x01\"", `"ab" "\""`},
		{33, "\x00\x01\x00\x02\x1f\x90" + www, "1 2 8080 www.test"},
		{35, "\x00\x01\x00\x02\x01u\x01s\x01r\x00", `1 2 "u" "s" "r" .`},
		{43, "\x00\x01\x08\x02\xab", "1 8 2 ab"},
		{44, "\x01\x02\xab", "1 2 ab"},
		{47, www + "\x00\x01\x40\x01\x01\x40", "www.test A CAA"},
		{52, "\x03\x01\x01\xab", "3 1 1 ab"},
		{257, "\x00\x05issueca.test", `0 issue "ca.test"`},
		{64, "\x00\x00" + www, "0 www.test"},
		{65, "\x00\x01\x00\x00\x00\x00\x02\x00\x03\x00\x01\x00\x06\x02h3\x02h2\x00\x02\x00\x00\x00\x03\x00\x02\x01\xbb\x00\x04\x00\x04\x0a\x00\x00\x01\x00\x07\x00\x01/\x12\x34\x00\x01x", "1 . mandatory=port alpn=h3,h2 no-default-alpn port=443 ipv4hint=10.0.0.1 dohpath=/ key4660=eA=="},
		{65, "\x00\x01\x00\x00\x03\x00\x03\x01\xbb\x00", `\# 10 00010000030003 01bb00`},
		{9999, "ab", `\# 2 6162`},
		{9999, strings.Repeat("a", 40), `\# 40 ` + strings.Repeat("61", 32) + "…"},
	} {
		message := "\x00\x00\x80\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00" + string(binary.BigEndian.AppendUint16(nil, c.typ)) + "\x00\x01\x00\x00\x00\x00" +
			string(binary.BigEndian.AppendUint16(nil, uint16(len(c.data)))) + c.data
		m, ok := parse([]byte(message))
		if want := strings.ReplaceAll(c.want, " 01bb00", "01bb00"); !ok || m.answers[0].data != want {
			t.Errorf("type %d: %v %q, want %q", c.typ, ok, m.answers[0].data, want)
		}
	}
}

func TestEDNS(t *testing.T) {
	const opt = "\x00\x00\x29\x04\xd0\x01\x00\x80\x00\x00\x2d" + "\x00\x03\x00\x00" + "\x00\x08\x00\x07\x00\x01\x18\x00\xc0\x00\x02" + "\x00\x0a\x00\x02\xab\xcd" + "\x00\x0b\x00\x02\x00\x64" + "\x00\x0c\x00\x01\x00" + "\x00\x0f\x00\x05\x00\x12bad" + "\x12\x34\x00\x00"
	m, ok := parse([]byte("\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00\x01" + opt))
	const want = `version=0 udp=1232 do nsid= subnet=192.0.2.0/24 cookie=abcd keepalive=100 padding=1 error=18 "bad" option4660=`
	if !ok || m.edns != want || rcodeName(m.rcode) != "BADVERS" {
		t.Errorf("%v %q, %s", ok, m.edns, rcodeName(m.rcode))
	}
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		client, server      string
		midstream, datagram bool
		want                decode.Verdict
	}{
		{asked, "", false, true, decode.Yes},
		{answered, "", false, true, decode.No},
		{"", answered, true, true, decode.Yes},
		{asked + "x", "", false, true, decode.No},
		{"hello", "", false, true, decode.No},
		{strings.Repeat("\x00", 12), "", false, true, decode.No},
		{framed(asked), "", false, false, decode.Yes},
		{framed(asked)[:1], "", false, false, decode.Maybe},
		{framed(asked)[:16], "", false, false, decode.Maybe},
		{"", framed(answered), false, false, decode.No},
		{"", framed(answered), true, false, decode.Yes},
		{"xyz" + framed(asked), "", true, false, decode.Maybe},
		{"GET / HTTP/1.1\r\n", "", false, false, decode.No},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdef", "", false, false, decode.No},
		{"\x00\x00\x00\x2d\x00\x12\x00\x03\x00\x00\x00\x01\x00\x07rdkafka", "", false, false, decode.No},
	} {
		p := Protocol()
		if c.datagram {
			p = DatagramProtocol()
		}
		got := p.Detect(&decode.Prefix{Bytes: [2][]byte{[]byte(c.client), []byte(c.server)}, Midstream: c.midstream})
		if got != c.want {
			t.Errorf("Detect(%q, %q, midstream %v, datagram %v) = %d, want %d", c.client, c.server, c.midstream, c.datagram, got, c.want)
		}
	}
}
