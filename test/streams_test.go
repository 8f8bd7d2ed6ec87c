package test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// byName returns a client that reaches lodge's names as a browser does, with
// HTTP/2 or without.
func (e *env) byName(version int) *http.Client {
	e.t.Helper()
	pem, err := os.ReadFile(e.authority())
	if err != nil {
		e.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	var protocols http.Protocols
	protocols.SetHTTP1(version == 1)
	protocols.SetHTTP2(version == 2)
	tr := &http.Transport{
		Protocols: &protocols, TLSClientConfig: &tls.Config{RootCAs: pool}, DisableCompression: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
	e.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// eachVersion runs f with a client of HTTP/1.1 and one of HTTP/2.
func (e *env) eachVersion(f func(version int, c *http.Client)) {
	for _, v := range []int{1, 2} {
		f(v, e.byName(v))
	}
}

// read returns the body of a page, which must be there.
func read(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	b, err := fetch(c, url)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fetch is read for a goroutine that is not the test's.
func fetch(c *http.Client, url string) (string, error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, b)
	}
	return string(b), err
}

// daemon returns the process of this environment's daemon.
func (e *env) daemon() int {
	e.t.Helper()
	for _, p := range e.processes() {
		if slices.Contains(p.cmdline, "daemon") {
			return p.pid
		}
	}
	e.t.Fatal("no daemon runs")
	return 0
}

// peak returns the most memory that a process ever had, in bytes (proc(5), VmHWM).
func peak(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		t.Fatalf("no VmHWM in %s", b)
	}
	return int64(atoi(t, f[0])) << 10
}

// What comes through a name comes as it was sent, when it was sent.
func TestStreamsByName(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("flows", "lodge.toml", config("web", peerBin+" web :8140 flows"))
		p.up()
		base := p.urlOf("web")
		e.eachVersion(func(version int, c *http.Client) {
			// Events: each is read before the next is made.
			resp, err := c.Get(base + "/events")
			if err != nil {
				t.Fatal(err)
			}
			events := bufio.NewScanner(resp.Body)
			first := -1
			for i := range 5 {
				if !events.Scan() {
					t.Fatalf("HTTP/%d, event %d: %v", version, i, events.Err())
				}
				n := atoi(t, strings.TrimPrefix(events.Text(), "data: tick "))
				if first < 0 {
					first = n
				}
				if n != first+i {
					t.Errorf("HTTP/%d, event %d: tick %d, want %d", version, i, n, first+i)
				}
				events.Scan() // the empty line
				read(t, c, base+"/tick")
			}
			resp.Body.Close()

			// Early hints, and then the answer.
			var hints []string
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
				return nil
			}})
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/hints", nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp, err = c.Do(req); err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if want := []string{"103 </style.css>; rel=preload; as=style"}; !slices.Equal(hints, want) || string(b) != "after hints" || err != nil {
				t.Errorf("HTTP/%d: hints %q, then %q, %v", version, hints, b, err)
			}

			// A trailer.
			if resp, err = c.Get(base + "/trailers"); err != nil {
				t.Fatal(err)
			}
			b, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(b) != "before the trailer" || resp.Trailer.Get("X-Sum") != "42" {
				t.Errorf("HTTP/%d: %q, trailer %v, %v", version, b, resp.Trailer, err)
			}

			// What the service is told of the client.
			u, err := url.Parse(base)
			if err != nil {
				t.Fatal(err)
			}
			head := read(t, c, base+"/head")
			for _, want := range []string{"Host: " + u.Host, "X-Forwarded-Proto: https", "X-Forwarded-Host: " + u.Host, "X-Forwarded-For: 127.0.0.1"} {
				if !strings.Contains(head, want) {
					t.Errorf("HTTP/%d: the service is not told %q: %s", version, want, head)
				}
			}
		})
	})
}

// Bodies pass without being kept: the daemon needs no more memory for large ones.
func TestLargeBodies(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		const size = 1 << 29 // each way
		p := e.project("large", "lodge.toml", config("web", peerBin+" web :8141 large"))
		p.up()
		base := p.urlOf("web")
		carry := func(version int, c *http.Client, n int64) {
			t.Helper()
			resp, err := c.Get(base + "/source?n=" + strconv.FormatInt(n, 10))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if got != n || err != nil {
				t.Errorf("HTTP/%d: %d of %d bytes came down: %v", version, got, n, err)
			}
			// Its length is not told.
			if resp, err = c.Post(base+"/sink", "application/octet-stream", io.LimitReader(zeros{}, n)); err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if want := fmt.Sprintf("%d bytes, error <nil>", n); err != nil || string(b) != want {
				t.Errorf("HTTP/%d: went up: %q, %v; want %q", version, b, err, want)
			}
		}
		e.eachVersion(func(version int, c *http.Client) {
			carry(version, c, 1<<20)
			pid := e.daemon()
			before := peak(t, pid)
			carry(version, c, size)
			if more := peak(t, pid) - before; more > 32<<20 {
				t.Errorf("HTTP/%d: the daemon needed %d MiB more for %d MiB each way", version, more>>20, size>>20)
			}
		})
	})
}

// zeros is as many zero bytes as somebody reads.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A name leads to a Unix socket, and to a server that speaks only IPv6.
func TestOtherSockets(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("lodge.toml", `version = 1
[services.file]
command = "`+peerBin+` http unix:web.sock 'file of @ALONE@'"
http = "web.sock"
[services.six]
command = "`+peerBin+` http tcp6:[::1]:8142 'six of @ALONE@'"
`)
		for _, p := range ps {
			p.up()
		}
		for _, p := range ps {
			e.eachVersion(func(version int, c *http.Client) {
				for _, service := range []string{"file", "six"} {
					if got := read(t, c, p.urlOf(service)+"/"); !strings.HasPrefix(got, service+" of "+p.name) {
						t.Errorf("HTTP/%d, %s/%s: %q", version, p.name, service, got)
					}
				}
			})
		}
	})
}
