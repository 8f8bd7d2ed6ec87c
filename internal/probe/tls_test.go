package probe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lodge/internal/probe/answer/samples"
)

// certificate makes one that signs itself.
func certificate(t testing.TB, change func(*x509.Certificate)) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "test", Organization: []string{"lodge \x1b[31mtests"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

func tlsServer(c net.Conn, cert tls.Certificate) net.Conn {
	return tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
}

// secured serves TLS.
func secured(t *testing.T, conf *tls.Config, handle func(net.Conn)) *fake {
	return serve(t, func(c net.Conn) {
		s := tls.Server(c, conf)
		if s.Handshake() == nil {
			handle(s)
		}
	})
}

func TestTLS(t *testing.T) {
	cert, roots := certificate(t, nil)
	expired, expiredRoots := certificate(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	other, otherRoots := certificate(t, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"web.test"}, nil })
	page := script("", [2]string{"GET ", samples.HTTPPage})
	for _, c := range []struct {
		name     string
		cert     tls.Certificate
		change   func(*tls.Config)
		roots    *x509.CertPool
		handle   func(net.Conn)
		protocol string
		problem  string // "" for trusted
	}{
		{"trusted", cert, nil, roots, page, "http", ""},
		{"unknown issuer", cert, nil, x509.NewCertPool(), page, "http", "its issuer is not trusted here"},
		{"expired", expired, nil, expiredRoots, page, "http", "it is expired or not yet valid"},
		{"another's name", other, nil, otherRoots, page, "http", "it is not for 127.0.0.1"},
		{"TLS 1.0", cert, func(c *tls.Config) { c.MaxVersion, c.MinVersion = tls.VersionTLS10, tls.VersionTLS10 }, roots, page, "http", ""},
		{"asks who we are", cert, func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }, roots, page, "http", ""},
		{"insists on who we are", cert, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, roots, page, "tls", ""},
		{"IMAP inside", cert, nil, roots, script("* OK ready\r\n"), "imap", ""},
		{"nothing inside", cert, nil, roots, func(net.Conn) {}, "tls", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := &tls.Config{Certificates: []tls.Certificate{c.cert}}
			if c.change != nil {
				c.change(conf)
			}
			f := secured(t, conf, c.handle)
			r := find(t, f.target("tls"), Options{Roots: c.roots})
			if r.Answer == nil || r.Answer.Protocol != c.protocol || r.Answer.TLS == nil {
				t.Fatalf("%+v, %+v", r, r.Answer)
			}
			x := r.Answer.TLS
			if x.Trusted != (c.problem == "") || x.Problem != c.problem || x.Version == "" || x.Cipher == "" || x.WantsClientCertificate != strings.Contains(c.name, "who we are") {
				t.Errorf("%+v", x)
			}
			if got := x.Certificate; got == nil || got.Chain != 1 || len(got.SHA256) != 64 || got.Subject != "CN=test,O=lodge ?[31mtests" || got.Issuer != got.Subject || got.NotAfter.IsZero() || len(got.Names) == 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestRedisInTLS is a Redis that answers HTTP's question with an error, which is
// no refusal.
func TestRedisInTLS(t *testing.T) {
	cert, roots := certificate(t, nil)
	f := secured(t, &tls.Config{Certificates: []tls.Certificate{cert}}, script("", [2]string{"GET ", "-ERR wrong number of arguments for 'get' command\r\n"}))
	r := find(t, f.target("tls"), Options{Roots: roots})
	if r.Answer == nil || r.Answer.Protocol != "redis" || r.Answer.TLS == nil || r.Answer.Refusal != "" {
		t.Errorf("%+v", r.Answer)
	}
}

// TestTLSIsFoundFromHTTP is a port without a hint whose server wants TLS and
// says so in the clear, or with an alert, or not at all.
func TestTLSIsFoundFromHTTP(t *testing.T) {
	cert, roots := certificate(t, nil)
	for name, inTheClear := range map[string]string{"words": samples.HTTPSWanted, "an alert": "\x15\x03\x01\x00\x02\x02\x46", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, func(c net.Conn) {
				first := make([]byte, 1)
				if _, err := io.ReadFull(c, first); err != nil {
					return
				}
				if first[0] != 22 {
					_, _ = io.WriteString(c, inTheClear)
					return
				}
				s := tls.Server(&putBack{c, first}, &tls.Config{Certificates: []tls.Certificate{cert}})
				script("", [2]string{"GET ", samples.HTTPPage})(s)
			})
			r := find(t, f.target(""), Options{Roots: roots})
			if r.Answer == nil || r.Answer.HTTP == nil || r.Answer.HTTP.Status != 404 || r.Answer.TLS == nil || !r.Answer.TLS.Trusted {
				t.Errorf("%+v, %+v", r, r.Answer)
			}
		})
	}
}

type putBack struct {
	net.Conn
	first []byte
}

func (p *putBack) Read(b []byte) (int, error) {
	if n := copy(b, p.first); n > 0 {
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// TestTLSThatRefuses shares no version with lodge, or has a certificate that
// is larger than any real one.
func TestTLSThatRefuses(t *testing.T) {
	alert := serve(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = c.Write([]byte("\x15\x03\x03\x00\x02\x02\x46")) // protocol version
	})
	r := find(t, alert.target("https"), Options{})
	if r.Answer == nil || r.Answer.Protocol != "tls" || !strings.Contains(r.Answer.Refusal, "protocol version") {
		t.Errorf("%+v, %+v", r, r.Answer)
	}
	for _, names := range []int{2000, 20000} {
		cert, _ := certificate(t, func(c *x509.Certificate) {
			for i := range names {
				c.DNSNames = append(c.DNSNames, fmt.Sprintf("name-%d.localhost.test", i))
			}
		})
		f := secured(t, &tls.Config{Certificates: []tls.Certificate{cert}}, script("", [2]string{"GET ", samples.HTTPPage}))
		r := find(t, f.target("https"), Options{})
		switch {
		case r.Answer == nil || r.Answer.TLS == nil:
			t.Errorf("%d names: %+v", names, r)
		case names == 2000 && (r.Answer.HTTP == nil || len(r.Answer.TLS.Certificate.Names) != maxNames):
			t.Errorf("%d names: %+v", names, r.Answer)
		case names == 20000 && (r.Answer.Protocol != "tls" || r.Answer.Refusal == ""):
			t.Errorf("%d names: %+v", names, r.Answer)
		}
	}
}

func TestHTTP2(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "test/2")
		if r.URL.Path == "/grpc" {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "12")
			w.WriteHeader(http.StatusUnsupportedMediaType)
			return
		}
		asCall := r.Header.Get("Content-Type") == "application/grpc"
		switch {
		case r.URL.Path == "/calls" && asCall:
			w.Header().Set("Content-Type", "application/grpc")
			return
		case r.URL.Path == "/calls", r.URL.Path == "/missing":
			http.NotFound(w, r)
			return
		case asCall: // as a proxy would that takes it for a call
			http.Error(w, "no such call", http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, r.Proto, " ", r.Host)
	})
	start := func(t *testing.T, secure bool) (Target, *x509.CertPool) {
		srv := httptest.NewUnstartedServer(handler)
		srv.Config.Protocols = new(http.Protocols)
		srv.Config.Protocols.SetUnencryptedHTTP2(true)
		srv.Config.Protocols.SetHTTP2(true)
		roots := x509.NewCertPool()
		if secure {
			srv.EnableHTTP2 = true
			srv.StartTLS()
			roots.AddCert(srv.Certificate())
		} else {
			srv.Start()
		}
		t.Cleanup(srv.Close)
		target, err := ParseTarget(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		return target, roots
	}
	t.Run("ALPN", func(t *testing.T) {
		target, roots := start(t, true)
		r := find(t, target, Options{Roots: roots})
		if a := r.Answer; a == nil || a.Protocol != "h2" || a.HTTP.Version != "2" || a.HTTP.Status != 200 || a.HTTP.Server != "test/2" || a.TLS == nil || a.TLS.ALPN != "h2" || !a.TLS.Trusted || !strings.HasPrefix(a.HTTP.Body, "HTTP/2.0 127.0.0.1:") {
			t.Fatalf("%+v, %+v", r, a)
		}
		if r.TLSUS == 0 || r.FirstByteUS == 0 || r.ConnectUS == 0 {
			t.Errorf("times: %+v", r)
		}
	})
	t.Run("prior knowledge", func(t *testing.T) {
		target, _ := start(t, false)
		for _, scheme := range []string{"", "h2c", "http"} { // found without a hint, and by the hint
			target.Scheme = scheme
			r := find(t, target, Options{})
			if a := r.Answer; a == nil || a.Protocol != "h2" || a.HTTP.Status != 200 || a.TLS != nil || !strings.HasPrefix(a.HTTP.Body, "HTTP/2.0 127.0.0.1:") {
				t.Fatalf("%q: %+v, %+v", scheme, r, a)
			}
		}
		target.Scheme = "h2c"
		for path, want := range map[string]string{"/grpc": "grpc", "/calls": "grpc", "/missing": "h2"} {
			target.Path = path
			if a := find(t, target, Options{}).Answer; a == nil || a.Protocol != want || want == "h2" && a.HTTP.Status != 404 {
				t.Errorf("%s: %+v", path, a)
			}
		}
	})
}
