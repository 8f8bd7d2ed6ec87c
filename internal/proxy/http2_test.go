package proxy

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

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
