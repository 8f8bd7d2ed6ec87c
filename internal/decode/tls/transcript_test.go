package tls_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	gotls "crypto/tls"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/tls"
	"lodge/internal/decode/tlscrypt"
	"lodge/internal/decode/tlskeys"
)

// TestTranscript holds the hashes of a handshake against its Finished: the client proves
// with it that it has the same one (RFC 8446, section 4.4.4).
func TestTranscript(t *testing.T) {
	for name, groups := range map[string][]gotls.CurveID{"": nil, "HelloRetryRequest": {gotls.CurveP521}} {
		t.Run(name, func(t *testing.T) { testTranscript(t, groups) })
	}
}

func testTranscript(t *testing.T, groups []gotls.CurveID) {
	all, keys := talk(t, gotls.TLS_AES_128_GCM_SHA256, gotls.VersionTLS13, groups...)
	told := map[tlskeys.Label][]byte{}
	var random tlskeys.Random
	inside := &plain{}
	retried := false
	p := tls.New(tls.Config{Keys: keys, Inside: []*decode.Protocol{inside.protocol()}, Bind: func(r *tlskeys.Random, l tlskeys.Label, sum []byte) {
		if told[l] != nil {
			t.Errorf("%s is told twice", l)
		}
		random, told[l] = *r, bytes.Clone(sum)
	}})
	d := p.New(decode.NewConn(decode.Options{Limits: decode.DefaultLimits()}, func(e *decode.Exchange) {
		for _, d := range e.Details {
			retried = retried || d.Name == "hello retry request"
		}
	}, nil))
	for _, s := range all {
		d.Data(s.side, time.Time{}, s.b)
	}
	if retried != (groups != nil) {
		t.Errorf("HelloRetryRequest: %v", retried)
	}
	secrets := keys.Secrets(&random)
	if secrets == nil || len(told) != 4 || !bytes.Equal(told[tlskeys.ClientHandshake], told[tlskeys.ServerHandshake]) ||
		!bytes.Equal(told[tlskeys.ClientTraffic], told[tlskeys.ServerTraffic]) || bytes.Equal(told[tlskeys.ClientTraffic], told[tlskeys.ClientHandshake]) {
		t.Fatalf("told %x of %x, secrets %v", told, random, secrets)
	}
	suite, _ := tlscrypt.Find("TLS_AES_128_GCM_SHA256")
	records, err := suite.Traffic(secrets.Get(tlskeys.ClientHandshake))
	if err != nil {
		t.Fatal(err)
	}
	var sent []byte
	for _, s := range all {
		if s.side == decode.Client {
			sent = append(sent, s.b...)
		}
	}
	const header, data, isFinished = 5, 23, 20
	size := func() int { return header + int(sent[3])<<8 + int(sent[4]) }
	for len(sent) > header && sent[0] != data {
		sent = sent[size():]
	}
	_, finished, ok := records.Open(nil, 0, sent[:header], sent[header:size()])
	if !ok || finished[0] != isFinished {
		t.Fatalf("the client's Finished: %x, %v", finished, ok)
	}
	key, err := hkdf.Expand(sha256.New, []byte(secrets.Get(tlskeys.ClientHandshake)), "\x00\x20\x0etls13 finished\x00", sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(told[tlskeys.ClientTraffic])
	if !bytes.Equal(mac.Sum(nil), finished[4:]) {
		t.Errorf("the hash of the handshake is not the client's")
	}
}
