package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lodge/internal/probe/answer"
)

func run(t *testing.T, ctx context.Context, target Target, opts LoadOptions) *Summary {
	t.Helper()
	if opts.Timeout == 0 {
		opts.Timeout = patience
	}
	if opts.Duration == 0 {
		opts.Duration = 2 * patience
	}
	l, err := NewLoad(ctx, target, opts)
	if err != nil {
		t.Fatal(err)
	}
	s := l.Do(ctx)
	checkSummary(t, s)
	if p := l.Progress(); p.Done != s.Done || p.Failed != s.Failed || p.Elapsed <= 0 {
		t.Errorf("progress %+v", p)
	}
	return s
}

// checkSummary holds what is true of every summary.
func checkSummary(t *testing.T, s *Summary) {
	t.Helper()
	var failed, statuses, bars int64
	for _, e := range s.Errors {
		failed += e.Count
		if e.First == "" || e.Count < 1 {
			t.Errorf("error %+v", e)
		}
	}
	last := 0.0
	for i, b := range s.Histogram {
		bars += b.Count
		if b.UpToUS <= last || (i == 0 || i == len(s.Histogram)-1) && b.Count == 0 {
			t.Errorf("histogram %+v", s.Histogram)
		}
		last = b.UpToUS
	}
	for _, n := range s.Statuses {
		statuses += n
	}
	if failed != s.Failed || bars != s.Succeeded || s.Done != s.Succeeded+s.Failed || s.Mode == ModeHTTP && statuses < s.Succeeded {
		t.Errorf("counts do not agree: %+v", s)
	}
	l := s.Latency
	if l.MinUS > l.P50US || l.P50US > l.P75US || l.P75US > l.P90US || l.P90US > l.P99US || l.P99US > l.P999US || l.P999US > l.MaxUS || s.Succeeded > 0 && (l.MinUS <= 0 || last < l.MaxUS*0.999) {
		t.Errorf("latency %+v, last bar %v", l, last)
	}
}

// TestConnects counts at the server.
func TestConnects(t *testing.T) {
	f := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }) // until lodge closes
	s := run(t, t.Context(), f.target(""), LoadOptions{Mode: ModeConnect, Count: 300, Concurrency: 7})
	if s.Succeeded != 300 || s.Failed != 0 || s.Connections != 300 || s.Stopped != "done" || s.Connect != nil || s.Concurrency != 7 || s.Count != 300 {
		t.Errorf("%+v", s)
	}
	// The last may still be in the backlog; one more connection comes after all of them.
	last, err := net.Dial("tcp", f.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	tick, deadline := time.NewTicker(time.Millisecond), time.After(patience)
	defer tick.Stop()
	for f.connections.Load() < 301 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the server saw %d connections", f.connections.Load()-1)
		}
	}
	if got := f.connections.Load() - 1; got != 300 {
		t.Errorf("the server saw %d connections", got)
	}
}

func TestDefaultsAreBounded(t *testing.T) {
	target := Target{Text: "x", Host: "127.0.0.1", Port: 1}
	l, err := NewLoad(t.Context(), target, LoadOptions{Mode: ModeConnect})
	if err != nil || l.opts.Count != DefaultCount || l.opts.Concurrency != DefaultConcurrency || l.opts.Duration != DefaultDuration || l.opts.Timeout != DefaultTimeout {
		t.Errorf("%+v, %v", l.opts, err)
	}
	for want, opts := range map[string]LoadOptions{
		"are more than 10000":       {Mode: ModeConnect, Concurrency: 10001, Count: 20000},
		"an echo of 0 bytes":        {Mode: ModeEcho},
		"an echo of 16777217 bytes": {Mode: ModeEcho, Size: MaxEcho + 1},
		"only an echo":              {Mode: ModeConnect, Options: Options{UDP: true}},
		"more than a datagram":      {Mode: ModeEcho, Size: 65508, Options: Options{UDP: true}},
		"not a word of HTTP":        {Mode: ModeHTTP, HTTP: Request{Method: "GET x"}},
		"no blanks":                 {Mode: ModeHTTP, HTTP: Request{Path: "/a b"}},
		"begins with /":             {Mode: ModeHTTP, HTTP: Request{Path: "a"}},
		"Name: value":               {Mode: ModeHTTP, HTTP: Request{Header: []string{"nothing"}}},
		`header "A: b\r\nC: d"`:     {Mode: ModeHTTP, HTTP: Request{Header: []string{"A: b\r\nC: d"}}},
	} {
		if _, err := NewLoad(t.Context(), target, opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestEcho(t *testing.T) {
	f := serve(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
	for _, size := range []int{1, 7, 64, piece, piece + 1, 1 << 20} {
		n := 50
		if size > piece {
			n = 3
		}
		f.connections.Store(0)
		s := run(t, t.Context(), f.target(""), LoadOptions{Mode: ModeEcho, Size: size, Count: n, Concurrency: 2})
		if s.Succeeded != int64(n) || s.SentBytes != int64(n*size) || s.ReceivedBytes != s.SentBytes || s.Connections > 2 || f.connections.Load() != s.Connections || s.SizeBytes != size {
			t.Errorf("%d: %+v, %d connections", size, s, f.connections.Load())
		}
	}
	f.connections.Store(0)
	s := run(t, t.Context(), f.target(""), LoadOptions{Mode: ModeEcho, Size: 64, Count: 20, Concurrency: 3, New: true})
	if s.Succeeded != 20 || s.Connections != 20 || s.Connect == nil || f.connections.Load() != 20 {
		t.Errorf("new connections: %+v, %d", s, f.connections.Load())
	}
	wrong := serve(t, func(c net.Conn) {
		b := make([]byte, 64)
		for {
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			b[63] ^= 1
			_, _ = c.Write(b)
		}
	})
	s = run(t, t.Context(), wrong.target(""), LoadOptions{Mode: ModeEcho, Size: 64, Count: 5, Concurrency: 1})
	if s.Failed != 5 || s.Errors[0].Kind != answer.BadAnswer || s.Errors[0].First != "what came back is not what was sent" {
		t.Errorf("%+v", s)
	}
	udp := datagramServer(t, func(b []byte) []byte { return b })
	s = run(t, t.Context(), udp, LoadOptions{Mode: ModeEcho, Size: 1200, Count: 50, Concurrency: 2})
	if s.Succeeded != 50 || s.Protocol != "udp" || s.ReceivedBytes != 50*1200 {
		t.Errorf("UDP: %+v", s)
	}
}

// web counts requests and connections at a real HTTP server.
type web struct {
	*httptest.Server
	requests, connections atomic.Int64
}

func newWeb(t *testing.T, secure bool, handler http.HandlerFunc) (*web, Target) {
	w := &web{}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.requests.Add(1)
		handler(rw, r)
	}))
	w.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			w.connections.Add(1)
		}
	}
	w.Config.ErrorLog = nil
	if secure {
		w.StartTLS()
	} else {
		w.Start()
	}
	t.Cleanup(w.Close)
	target, err := ParseTarget(w.URL + "/page?x=1")
	if err != nil {
		t.Fatal(err)
	}
	return w, target
}

func TestHTTPLoad(t *testing.T) {
	for _, secure := range []bool{false, true} {
		w, target := newWeb(t, secure, func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.String() != "/page?x=1" || r.Method != "GET" || r.Host == "" || r.UserAgent() != userAgent {
				rw.WriteHeader(http.StatusTeapot)
			}
			fmt.Fprint(rw, strings.Repeat("x", 10000)) // in chunks
		})
		s := run(t, t.Context(), target, LoadOptions{Mode: ModeHTTP, Count: 200, Concurrency: 4})
		if s.Succeeded != 200 || s.Statuses["200"] != 200 || w.requests.Load() != 200 || w.connections.Load() > 4 || s.Connections != w.connections.Load() || s.ReceivedBytes < 200*10000 || s.Method != "GET" || s.Path != "/page?x=1" {
			t.Errorf("%v: %+v; %d requests on %d connections", secure, s, w.requests.Load(), w.connections.Load())
		}
		w.requests.Store(0)
		w.connections.Store(0)
		s = run(t, t.Context(), target, LoadOptions{Mode: ModeHTTP, Count: 20, Concurrency: 4, New: true})
		if s.Succeeded != 20 || w.requests.Load() != 20 || w.connections.Load() != 20 || s.Connections != 20 {
			t.Errorf("%v, new: %+v; %d requests on %d connections", secure, s, w.requests.Load(), w.connections.Load())
		}
	}
}

func TestHTTPRequest(t *testing.T) {
	var got atomic.Value
	_, target := newWeb(t, false, func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Store(fmt.Sprintf("%s %s %s %s %s %s", r.Method, r.URL.Path, r.Host, r.Header.Get("X-A"), r.Header.Get("Content-Type"), b))
		rw.WriteHeader(http.StatusCreated)
	})
	s := run(t, t.Context(), target, LoadOptions{Mode: ModeHTTP, Count: 3, Concurrency: 1, HTTP: Request{
		Method: "POST", Path: "/new", Header: []string{"x-a:  b c ", "Host: web.shop.localhost", "Content-Type: text/plain"}, Body: []byte("hello"),
	}})
	if want := "POST /new web.shop.localhost b c text/plain hello"; got.Load() != want || s.Succeeded != 3 || s.Statuses["201"] != 3 {
		t.Errorf("%v, %+v", got.Load(), s)
	}
	s = run(t, t.Context(), target, LoadOptions{Mode: ModeHTTP, Count: 3, Concurrency: 1, HTTP: Request{Method: "HEAD"}})
	if s.Succeeded != 3 || s.Connections != 1 {
		t.Errorf("HEAD: %+v", s)
	}
}

func TestStatuses(t *testing.T) {
	var n atomic.Int64
	w, target := newWeb(t, false, func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader([]int{200, 302, 404, 503}[n.Add(1)%4])
	})
	for expect, good := range map[string]int64{"": 20, "404": 10, "2xx, 503": 20, "4xx,5xx,3xx": 30} {
		e := Expect{}
		if expect != "" {
			var err error
			if e, err = ParseExpect(expect); err != nil {
				t.Fatal(err)
			}
		}
		w.connections.Store(0)
		s := run(t, t.Context(), target, LoadOptions{Mode: ModeHTTP, Count: 40, Concurrency: 1, HTTP: Request{Expect: e}})
		if s.Succeeded != good || len(s.Errors) != 1 || s.Errors[0].Kind != answer.BadStatus || s.Statuses["404"] != 10 || w.connections.Load() != 1 {
			t.Errorf("%q: %+v", expect, s)
		}
	}
	for _, bad := range []string{"", "99", "600", "6xx", "xx", "2x", "200-299", ","} {
		if _, err := ParseExpect(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestKeptConnectionIsClosed has a server that closes after each answer without
// saying so, which happens to every kept connection at some time.
func TestKeptConnectionIsClosed(t *testing.T) {
	var requests atomic.Int64
	f := serve(t, func(c net.Conn) {
		b := make([]byte, 4096)
		if n, _ := c.Read(b); n > 0 {
			requests.Add(1)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	s := run(t, t.Context(), f.target("http"), LoadOptions{Mode: ModeHTTP, Count: 10, Concurrency: 1})
	if s.Succeeded != 10 || requests.Load() != 10 || s.StaleConnections == 0 || s.Connections != f.connections.Load() {
		t.Errorf("%+v; %d requests on %d connections", s, requests.Load(), f.connections.Load())
	}
	// A POST may have been done: it is not sent again.
	s = run(t, t.Context(), f.target("http"), LoadOptions{Mode: ModeHTTP, Count: 10, Concurrency: 1, HTTP: Request{Method: "POST"}})
	if s.Failed == 0 || s.StaleConnections != 0 || s.Errors[0].Kind != answer.ClosedEarly && s.Errors[0].Kind != answer.Reset {
		t.Errorf("POST: %+v", s)
	}
}

func TestKindsOfErrors(t *testing.T) {
	speaking := func(text string) Target {
		return serve(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, text)
		}).target("http")
	}
	closed := serve(t, func(net.Conn) {})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := ParseTarget(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	failing := func(err error) Network {
		return Network{Dial: func(context.Context, string, netip.AddrPort) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: err}
		}}
	}
	for _, c := range []struct {
		name   string
		target Target
		net    Network
		want   answer.Failure
		first  string
	}{
		{"nobody", nobody, Network{}, answer.Refused, "connection refused"},
		{"silence", silent.target("http"), Network{}, answer.Timeout, "i/o timeout"},
		{"half a body", speaking("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Network{}, answer.ClosedEarly, "unexpected EOF"},
		{"half a head", speaking("HTTP/1.1 200 OK\r\nServ"), Network{}, answer.ClosedEarly, "unexpected EOF"},
		{"no HTTP", speaking("SSH-2.0-OpenSSH\r\n"), Network{}, answer.BadAnswer, "not an HTTP response"},
		{"a broken chunk", speaking("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), Network{}, answer.BadAnswer, "invalid byte in chunk length"},
		{"a long head", speaking("HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 20000)), Network{}, answer.BadAnswer, "the headers have no end"},
		{"interim only", speaking(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10)), Network{}, answer.BadAnswer, "only interim responses came"},
		{"no files", nobody, failing(syscall.EMFILE), answer.TooManyFiles, "too many open files"},
		{"no ports", nobody, failing(syscall.EADDRNOTAVAIL), answer.NoLocalPort, "cannot assign requested address"},
		{"a firewall", nobody, failing(syscall.EPERM), answer.Denied, "operation not permitted"},
		{"no route", nobody, failing(syscall.EHOSTUNREACH), answer.Unreachable, "no route to host"},
		{"a reset", nobody, failing(syscall.ECONNRESET), answer.Reset, "connection reset by peer"},
		{"no TLS", Target{Text: "x", Scheme: "https", Host: "127.0.0.1", Port: speaking("no TLS here\r\n").Port}, Network{}, answer.TLSFailed, "first record does not look like a TLS handshake"},
		{"closing", closed.target("http"), Network{}, "", ""}, // ends or resets, as the kernel likes
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := LoadOptions{Mode: ModeHTTP, Count: 3, Concurrency: 2, Options: Options{Network: c.net}}
			if c.want == answer.Timeout {
				opts.Timeout = 50 * time.Millisecond
			}
			s := run(t, t.Context(), c.target, opts)
			if s.Failed != 3 || s.Succeeded != 0 || s.PerSecond != 0 || s.Stopped != "done" {
				t.Fatalf("%+v", s)
			}
			if e := s.Errors[0]; c.want != "" && (len(s.Errors) != 1 || e.Kind != c.want || !strings.Contains(e.First, c.first)) {
				t.Errorf("%+v, want %s: %s", s.Errors, c.want, c.first)
			}
		})
	}
}

// TestInterrupted ends a load from outside: what was done is kept, what was
// cut off is not counted (two more may be on their way when it ends).
func TestInterrupted(t *testing.T) {
	for _, rate := range []float64{0, 5000} {
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int64
		_, target := newWeb(t, false, func(rw http.ResponseWriter, r *http.Request) {
			if n.Add(1) > 20 {
				cancel()
				<-r.Context().Done() // it never answers
			}
		})
		s := run(t, ctx, target, LoadOptions{Mode: ModeHTTP, Count: 1000, Concurrency: 3, Rate: rate})
		if s.Stopped != "interrupted" || s.Succeeded > 20 || s.Succeeded < 18 || s.Failed != 0 {
			t.Errorf("%v a second: %+v", rate, s)
		}
		cancel()
	}
}

func TestDuration(t *testing.T) {
	f := serve(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
	s := run(t, t.Context(), f.target(""), LoadOptions{Mode: ModeEcho, Size: 8, Duration: 50 * time.Millisecond, Concurrency: 2})
	if s.Stopped != "duration" || s.Done == 0 || s.Failed != 0 || s.Count != 0 {
		t.Errorf("%+v", s)
	}
	// At a rate no more is begun than it allows, however late the end is noticed.
	s = run(t, t.Context(), f.target(""), LoadOptions{Mode: ModeEcho, Size: 8, Duration: 100 * time.Millisecond, Rate: 1000})
	if s.Stopped != "duration" || s.Done > 100 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestStallCounts is what "coordinated omission" is about: the server stalls
// once, and all that should have begun meanwhile waited. One that measures only
// from the beginning sees a single slow operation.
func TestStallCounts(t *testing.T) {
	const stall = 300 * time.Millisecond
	var once sync.Once
	f := serve(t, func(c net.Conn) {
		b := make([]byte, 8)
		for {
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			once.Do(func() { <-time.After(stall) })
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	// 100 operations begin within 100 ms, all of them in the stall: the middle one waits
	// at least 250 ms of it.
	s := run(t, t.Context(), f.target(""), LoadOptions{Mode: ModeEcho, Size: 8, Count: 100, Concurrency: 1, Rate: 1000})
	if s.Succeeded != 100 || s.Service == nil || s.RatePerSecond != 1000 {
		t.Fatalf("%+v", s)
	}
	if least := float64((stall - 50*time.Millisecond).Microseconds()); s.Latency.P50US < least*0.99 || s.Service.P50US >= s.Latency.P50US {
		t.Errorf("the stall is not in the latency: %+v, once begun %+v", s.Latency, s.Service)
	}
}

func TestBars(t *testing.T) {
	h := newHistogram()
	if got := bars(h); len(got) != 0 {
		t.Error(got)
	}
	for _, us := range []int{1, 40, 41, 1000} {
		record(h, time.Duration(us)*time.Microsecond)
	}
	record(h, 24*time.Hour) // becomes the longest
	record(h, 0)
	got := bars(h)
	if got[0] != (Bar{1, 2}) || got[len(got)-1].Count != 1 || got[len(got)-1].UpToUS < 3.59e9 {
		t.Errorf("%v", got)
	}
	at := map[float64]int64{}
	for i, b := range got {
		at[b.UpToUS] = b.Count
		if i > 0 && (b.UpToUS/got[i-1].UpToUS > 1.3 || b.UpToUS/got[i-1].UpToUS < 1.2) {
			t.Errorf("step from %v to %v", got[i-1].UpToUS, b.UpToUS)
		}
	}
	if at[40] != 1 || at[50] != 1 || at[1000]+at[1250] != 1 {
		t.Errorf("%v", got)
	}
}
