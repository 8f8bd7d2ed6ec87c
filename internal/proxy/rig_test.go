package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// rig is an engine with one listener for HTTP and HTTPS.
type rig struct {
	t    *testing.T
	e    *Engine
	addr string
	pool *x509.CertPool
}

// newRig starts an engine. The test's services are set with serve.
func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	cert, pool := certificate(t)
	if cfg.TLS == nil {
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, e: e, pool: pool}
	ln := listen(t, "127.0.0.1:0")
	r.addr = ln.Addr().String()
	var served sync.WaitGroup
	served.Go(func() {
		if err := e.Serve(Listener{Listener: ln}); !errors.Is(err, ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		e.Shutdown(ctx) // streams that a test left open end with ctx
		served.Wait()
	})
	return r
}

func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// certificate is one for the names that tests use.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"web.shop.localhost", "api.shop.localhost", "shop.localhost", "nobody.localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// at is a service of the project shop at a TCP address.
func at(name, addr string) Service {
	return Service{ID: "shop/" + name, Project: "shop", Names: NamesOf(name, "shop", name == "web"), Endpoints: []Endpoint{{Addr: netip.MustParseAddrPort(addr)}}}
}

func (r *rig) serve(services ...Service) {
	r.t.Helper()
	table, err := NewTable(services)
	if err != nil {
		r.t.Error(err) // not Fatal: tables also change while the test waits
		return
	}
	r.e.SetTable(table)
}

// dial opens a connection to the engine in the clear.
func (r *rig) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// client speaks one protocol to the engine, whatever host a URL has.
func (r *rig) client(proto string) *http.Client {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", r.addr)
	}, TLSClientConfig: &tls.Config{RootCAs: r.pool}, Protocols: new(http.Protocols), DisableCompression: true, MaxIdleConnsPerHost: 64}
	switch proto {
	case "h1", "https1":
		tr.Protocols.SetHTTP1(true)
	case "h2":
		tr.Protocols.SetHTTP2(true)
	case "h2c":
		tr.Protocols.SetUnencryptedHTTP2(true)
	}
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// protos are the ways in which a client may come, with the scheme of its URLs.
var protos = []struct{ name, scheme string }{{"h1", "http"}, {"https1", "https"}, {"h2", "https"}, {"h2c", "http"}}

// eachProto runs a test once for each way in.
func eachProto(t *testing.T, f func(t *testing.T, proto, base string)) {
	for _, p := range protos {
		t.Run(p.name, func(t *testing.T) { f(t, p.name, p.scheme+"://web.shop.localhost") })
	}
}

// backend is a service made with net/http.
func backend(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	return backendOn(t, listen(t, "127.0.0.1:0"), h)
}

func backendOn(t *testing.T, ln net.Listener, h http.HandlerFunc) string {
	t.Helper()
	s := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	var served sync.WaitGroup
	served.Go(func() { s.Serve(ln) })
	t.Cleanup(func() { s.Close(); served.Wait() })
	return ln.Addr().String()
}

// raw is a service that a test writes byte by byte: f is called with each
// connection.
func raw(t *testing.T, f func(c net.Conn, br *bufio.Reader)) string {
	t.Helper()
	ln := listen(t, "127.0.0.1:0")
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				f(c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

// readHead reads the bytes of a head.
func readHead(br *bufio.Reader) (string, error) {
	var b bytes.Buffer
	for !strings.HasSuffix(b.String(), "\r\n\r\n") {
		c, err := br.ReadByte()
		if err != nil {
			return b.String(), err
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// canned is a service that answers every head with the same bytes.
func canned(t *testing.T, answer string) string {
	return raw(t, func(c net.Conn, br *bufio.Reader) {
		for {
			if _, err := readHead(br); err != nil {
				return
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
			if !strings.Contains(answer, "Content-Length") && !strings.Contains(answer, "chunked") {
				return
			}
		}
	})
}

// ask sends bytes in the clear and reads one answer.
func (r *rig) ask(c net.Conn, request, method string) *http.Response {
	r.t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		r.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		r.t.Fatalf("read answer to %q: %v", request, err)
	}
	return res
}

func bodyOf(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	return string(b)
}

// get returns status and body of an answer.
func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, bodyOf(t, res)
}

// within waits for a channel.
func within[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

// refusing returns an address that refuses and that no other test gets: its
// socket is bound and does not listen. open makes it listen.
func refusing(t *testing.T) (addr string, open func() net.Listener) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "refusing")
	t.Cleanup(func() { f.Close() })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", sa.(*unix.SockaddrInet4).Port), func() net.Listener {
		err := unix.Listen(fd, unix.SOMAXCONN)
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.FileListener(f)
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
}
