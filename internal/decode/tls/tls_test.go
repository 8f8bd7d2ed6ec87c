package tls

import (
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
)

func rec(kind byte, payload string) string {
	return string([]byte{kind, 3, 3, byte(len(payload) >> 8), byte(len(payload))}) + payload
}

func message(kind byte, body string) string {
	return string([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}) + body
}

func hello32(extensions string) string {
	return "\x03\x03" + strings.Repeat("r", 32) + "\x00" + "\x00\x04\x13\x01\xc0\x2f" + "\x01\x00" +
		string([]byte{byte(len(extensions) >> 8), byte(len(extensions))}) + extensions
}

const sni = "\x00\x00\x00\x0c\x00\x0a\x00\x00\x07a.local"

type step struct {
	side decode.Side
	b    string
}

func play(o decode.Options, steps ...step) (out []*decode.Exchange, lost map[decode.LossReason]int64) {
	lost = map[decode.LossReason]int64{}
	if o.Limits == (decode.Limits{}) {
		o.Limits = decode.DefaultLimits()
	}
	c := decode.NewConn(o, func(e *decode.Exchange) { out = append(out, e) }, func(l decode.Loss) { lost[l.Reason] += l.Bytes })
	f := decode.NewFlow(c, []*decode.Protocol{Protocol()}, !o.Midstream)
	at := time.Unix(1e9, 0)
	for _, s := range steps {
		if n := strings.Count(s.b, "\x00GAP"); n > 0 && len(s.b) == 4 {
			f.Gap(s.side, at, 100)
			continue
		}
		f.Data(s.side, at, []byte(s.b))
	}
	f.End(decode.Client, at, decode.Closed)
	f.End(decode.Server, at, decode.Closed)
	return out, lost
}

// TestSplitRecords holds that a handshake message may be in records of one byte.
func TestSplitRecords(t *testing.T) {
	var b strings.Builder
	for _, c := range []byte(message(typeClientHello, hello32(sni))) {
		b.WriteString(rec(recordHandshake, string([]byte{c})))
	}
	out, _ := play(decode.Options{}, step{decode.Client, b.String()}, step{decode.Server, rec(recordAlert, "\x02\x70")})
	if len(out) != 1 || out[0].Host != "a.local" || out[0].Status != "alert unrecognized_name from the server" || !out[0].Failed {
		t.Fatalf("%+v", out)
	}
}

func TestTooLong(t *testing.T) {
	long := message(typeClientHello, hello32(sni)) + "\x0b\x01\x00\x00" + strings.Repeat("c", 16000)
	server := message(typeServerHello, "\x03\x03"+strings.Repeat("r", 32)+"\x00\xc0\x2f\x00") + "\x0b\x00\x40\x00" + strings.Repeat("c", 4000)
	steps := []step{{decode.Client, rec(recordHandshake, long[:200])}, {decode.Server, rec(recordHandshake, server)}}
	for range 3 {
		steps = append(steps, step{decode.Server, rec(recordHandshake, strings.Repeat("c", 4096))})
	}
	steps = append(steps, step{decode.Server, rec(recordHandshake, strings.Repeat("c", 96)+message(typeCertificateRequest, "x"))})
	out, lost := play(decode.Options{Limits: decode.Limits{Message: 8192, Body: 100}}, steps...)
	if len(out) != 1 || out[0].Status != "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" || out[0].Detail("client certificate") != "requested" {
		t.Fatalf("%+v", out[0])
	}
	if lost[decode.LostTooLong] != 4+0x4000+4+0x10000 {
		t.Errorf("lost %v", lost)
	}
}

func TestMidstream(t *testing.T) {
	data := rec(recordData, strings.Repeat("d", 100))
	out, lost := play(decode.Options{Midstream: true}, step{decode.Client, data}, step{decode.Server, data + data})
	if len(out) != 1 || out[0].Method != "data" || out[0].Request.BodyBytes != 105 || out[0].Response.BodyBytes != 210 || len(out[0].Unknown) != 2 {
		t.Fatalf("%+v", out)
	}
	if lost[decode.LostEncrypted] != 315 {
		t.Errorf("lost %v", lost)
	}
	// A side that begins in a record is counted, not read.
	out, lost = play(decode.Options{Midstream: true}, step{decode.Server, "rest"}, step{decode.Client, data + data}, step{decode.Server, data})
	if len(out) != 1 || lost[decode.LostState] != 109 || out[0].Response.BodyBytes != 109 {
		t.Errorf("%+v, lost %v", out[0], lost)
	}
}

func TestGap(t *testing.T) {
	out, lost := play(decode.Options{}, step{decode.Client, rec(recordHandshake, message(typeClientHello, hello32(sni)))},
		step{decode.Server, "\x00GAP"}, step{decode.Server, rec(recordData, "x")}, step{decode.Client, rec(recordData, "y")})
	if len(out) != 1 || !out[0].Response.Incomplete || len(out[0].Unknown) != 1 || lost[decode.LostGap] != 106 {
		t.Errorf("%+v, lost %v", out, lost)
	}
}

func TestDetect(t *testing.T) {
	ch := rec(recordHandshake, message(typeClientHello, hello32(sni)))
	for _, tt := range []struct {
		client, server string
		mid            bool
		want           decode.Verdict
	}{
		{ch, "", false, decode.Yes},
		{ch[:5], "", false, decode.Maybe},
		{ch[:8], "", false, decode.Maybe},
		{"\x16\x03\x01\x00\x01\x01", "", false, decode.Yes},
		{"", rec(recordHandshake, message(typeServerHello, hello32(""))), false, decode.Maybe},
		{"GET / HTTP/1.1\r\n", "", false, decode.No},
		{"", "220 mail\r\n", false, decode.No},
		{rec(recordData, "x") + rec(recordData, "y"), "", true, decode.Yes},
		{rec(recordData, "x"), rec(recordData, "y"), true, decode.Yes},
		{rec(recordData, "x"), "", true, decode.Maybe},
		{"\x17\x03\x03\x00\x00\x17", "", true, decode.Maybe},
		{"text", "text of the other", true, decode.No},
	} {
		p := &decode.Prefix{Bytes: [2][]byte{[]byte(tt.client), []byte(tt.server)}, Midstream: tt.mid}
		if got := detect(p); got != tt.want {
			t.Errorf("%q, %q, midstream %v: %v, want %v", tt.client, tt.server, tt.mid, got, tt.want)
		}
	}
}

func TestDateTime(t *testing.T) {
	for _, tt := range []struct {
		tag     byte
		b, want string
	}{
		{tagUTCTime, "491231235959Z", "2049-12-31T23:59:59Z"}, {tagUTCTime, "500101000000Z", "1950-01-01T00:00:00Z"},
		{tagTime, "20500101000000Z", "2050-01-01T00:00:00Z"}, {tagUTCTime, "4912312359Z", ""}, {tagUTCTime, "49123123595xZ", ""}, {tagOID, "", ""},
	} {
		if got := dateTime(tt.tag, []byte(tt.b)); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.b, got, tt.want)
		}
	}
}

func FuzzCertificate(f *testing.F) {
	f.Add([]byte("\x30\x82\x01\x0a\x30\x03"))
	f.Fuzz(func(t *testing.T, b []byte) { parseCertificate(b) })
}
