package proxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestFrameScanner: frames are found whatever the pieces in which they come.
func TestFrameScanner(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(h2preface)
	f := http2.NewFramer(&b, nil)
	f.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
	f.WriteDataPadded(5, true, []byte("hello"), make([]byte, 7))
	f.WriteDataPadded(5, false, nil, make([]byte, 3))
	f.WriteData(7, false, bytes.Repeat([]byte{1}, 1000))
	f.WriteData(7, false, nil)
	f.WriteRSTStream(9, http2.ErrCodeStreamClosed)
	f.WriteGoAway(11, http2.ErrCodeEnhanceYourCalm, []byte("why"))
	f.WritePing(true, [8]byte{})
	b.Write([]byte{0, 0, 0, frameData, flagPadded, 0, 0, 0, 1}) // malformed: no length of the padding
	type seen struct {
		typ    byte
		stream uint32
		data   int
		code   uint32
	}
	want := []seen{
		{frameSettings, 0, 0, 0}, {frameData, 5, 5, 0}, {frameData, 5, 0, 0}, {frameData, 7, 1000, 0}, {frameData, 7, 0, 0},
		{frameReset, 9, 0, uint32(http2.ErrCodeStreamClosed)}, {frameGoAway, 0, 0, codeCalm}, {0x6, 0, 0, 0}, {frameData, 1, 0, 0},
	}
	for _, size := range []int{1, 2, 3, 8, 9, 10, 17, 100, b.Len()} {
		s := frameScanner{skip: len(h2preface)}
		var got []seen
		for rest := b.Bytes(); len(rest) > 0; {
			piece := rest[:min(size, len(rest))]
			rest = rest[len(piece):]
			for {
				f, after, ok := s.next(piece)
				if !ok {
					break
				}
				piece = after
				e := seen{typ: f.typ, stream: f.stream}
				switch f.typ {
				case frameData:
					e.data = f.data()
				case frameReset, frameGoAway:
					e.code = f.code()
				}
				got = append(got, e)
			}
		}
		if !s.between() {
			t.Errorf("pieces of %d: the last frame is not over", size)
		}
		if len(got) != len(want) {
			t.Fatalf("pieces of %d: %v", size, got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("pieces of %d: %v, want %v", size, got[i], want[i])
			}
		}
	}
}

func FuzzFrameScanner(f *testing.F) {
	f.Add([]byte(h2preface+"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08"), 3)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		count := func(size int) (n, bytes int) {
			var s frameScanner
			for rest := b; len(rest) > 0; {
				piece := rest[:min(size, len(rest))]
				rest = rest[len(piece):]
				for {
					f, after, ok := s.next(piece)
					if !ok {
						break
					}
					piece = after
					n++
					bytes += f.data()
				}
			}
			return n, bytes
		}
		if size < 1 {
			size = 1
		}
		n, sum := count(len(b) + 1)
		if m, other := count(size); m != n || other != sum {
			t.Errorf("%d frames of %d bytes at once, %d of %d in pieces of %d", n, sum, m, other, size)
		}
	})
}

// TestRapid: a reset costs little once its stream has had time to be answered.
func TestRapid(t *testing.T) {
	now := time.Unix(1000, 0)
	clock := func() time.Time { return now }
	var a ages
	cost := func(typ byte, stream uint32) float64 {
		return a.received(&frame{typ: typ, stream: stream}, clock)
	}
	for _, c := range []struct {
		later time.Duration
		typ   byte
		id    uint32
		want  float64
	}{
		{0, frameHeaders, 1, 0},
		{0, frameReset, 1, costReset},
		{rapid / 2, frameHeaders, 3, 0},
		{rapid / 2, frameHeaders, 5, 0},
		{rapid / 2, frameReset, 5, costReset},
		{rapid / 2, frameReset, 3, costFrame},
		{rapid, frameReset, 5, costFrame},
		{10 * rapid, frameHeaders, 7, 0},
		{rapid / 2, frameReset, 7, costReset},
		{3 * rapid, frameReset, 7, costFrame},
	} {
		now = now.Add(c.later)
		if got := cost(c.typ, c.id); got != c.want {
			t.Errorf("at %v, type %d of stream %d: %v, want %v", now.Sub(time.Unix(1000, 0)), c.typ, c.id, got, c.want)
		}
	}
}

// TestH2OverTLSIsChecked: what net/http would check of TLS still is.
func TestH2OverTLSIsChecked(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	r := newRig(t, Config{})
	r.serve(at("web", up))
	// A client that promised HTTP/2 gets nothing for HTTP/1.
	c := r.dialH2()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: web.shop.localhost\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(c); isTimeout(err) || strings.Contains(string(b), "ok") {
		t.Errorf("HTTP/1: %q, %v", b, err)
	}
	for suite, allowed := range map[uint16]bool{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: false, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: true,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: true,
	} {
		c := tls.Client(r.dial(), &tls.Config{RootCAs: r.pool, ServerName: "web.shop.localhost", NextProtos: []string{"h2"}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		h := &h2{t: t, c: c, f: http2.NewFramer(c, c)}
		h.enc = hpack.NewEncoder(&h.buf)
		h.f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		io.WriteString(c, http2.ClientPreface) // the server may close the connection before these
		_ = h.f.WriteSettings()
		_ = h.headers(1, true, waiting("/"))
		answered, code := false, http2.ErrCodeNo
		for !answered {
			f, err := h.f.ReadFrame()
			if err != nil {
				break
			}
			switch f := f.(type) {
			case *http2.MetaHeadersFrame:
				answered = true
			case *http2.GoAwayFrame:
				code = f.ErrCode
			}
		}
		if answered != allowed || !allowed && code != http2.ErrCodeInadequateSecurity {
			t.Errorf("%s: answered %v, %v", tls.CipherSuiteName(suite), answered, code)
		}
	}
}
