package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestHold: a request for a service that starts waits, and is answered when
// the service is ready.
func TestHold(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "ready %s", b)
	})
	r := newRig(t, Config{})
	starting := at("web", up)
	starting.State, starting.Endpoints = Starting, nil
	eachProto(t, func(t *testing.T, proto, base string) {
		r.serve(starting)
		const n = 20
		answers := make(chan string, n)
		for range n {
			go func() {
				res, err := r.client(proto).Post(base, "text/plain", strings.NewReader("body"))
				if err != nil {
					answers <- err.Error()
					return
				}
				b, _ := io.ReadAll(res.Body)
				res.Body.Close()
				answers <- res.Status + " " + string(b)
			}()
		}
		// A change that is none for it does not let it go.
		r.serve(starting, at("api", up))
		select {
		case got := <-answers:
			t.Fatalf("answered while starting: %s", got)
		default:
		}
		r.serve(at("web", up))
		for range n {
			if got := within(t, answers, "an answer"); got != "200 OK ready body" {
				t.Errorf("answered %q", got)
			}
		}
	})
}

// TestHoldEnds: with the limit, and with the client.
func TestHoldEnds(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{HoldTime: 10 * time.Millisecond}, Tail: func(string) []string { return []string{"compiling…"} }})
	starting := Service{ID: "shop/web", Project: "shop", Names: NamesOf("web", "shop", true), State: Starting}
	r.serve(starting)
	for _, p := range protos {
		status, body := get(t, r.client(p.name), p.scheme+"://web.shop.localhost/")
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "is starting") || !strings.Contains(body, "compiling…") {
			t.Errorf("%s: %d %s", p.name, status, body)
		}
	}
	r = newRig(t, Config{})
	r.serve(starting)
	for _, p := range protos {
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", p.scheme+"://web.shop.localhost/", nil)
		done := make(chan error, 1)
		go func() {
			_, err := r.client(p.name).Do(req)
			done <- err
		}()
		cancel()
		if err := within(t, done, "the end of the request"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	// No goroutine waits for them any more: Shutdown, at the end of the test,
	// has nothing to wait for but would wait for those.
}

// TestFailing: a service that ended is waited for, but not for long.
func TestFailing(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "again") })
	failing := Service{ID: "shop/web", Project: "shop", Names: NamesOf("web", "shop", true), State: Failing, Exit: "ended with status 3"}
	r := newRig(t, Config{Limits: Limits{FailTime: time.Millisecond}, Tail: func(string) []string { return []string{"a mistake"} }})
	r.serve(failing)
	for _, p := range protos {
		status, body := get(t, r.client(p.name), p.scheme+"://web.shop.localhost/")
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "ended with status 3") || !strings.Contains(body, "a mistake") {
			t.Errorf("%s: %d %s", p.name, status, body)
		}
	}
	r = newRig(t, Config{Limits: Limits{FailTime: time.Hour}})
	r.serve(failing)
	time.AfterFunc(0, func() { r.serve(at("web", up)) })
	if status, body := get(t, r.client(protos[0].name), protos[0].scheme+"://web.shop.localhost/"); status != http.StatusOK || body != "again" {
		t.Errorf("ready again: %d %s", status, body)
	}
}

// TestOnRequest: a request starts a service, once however many come.
func TestOnRequest(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up") })
	down := at("web", up)
	down.State, down.Endpoints, down.OnRequest, down.StartWith = Down, nil, true, "lodge up web"
	starting := down
	starting.State = Starting
	for name, tc := range map[string]struct {
		start func(r *rig) error
		want  string
	}{
		"starts": {func(r *rig) error {
			r.serve(starting)
			time.AfterFunc(0, func() { r.serve(at("web", up)) })
			return nil
		}, "200 OK up"},
		"at once":     {func(r *rig) error { r.serve(at("web", up)); return nil }, "200 OK up"},
		"cannot":      {func(*rig) error { return errors.New("no such command") }, "502 Bad Gateway lodge: shop/web is not running: no such command (hint: start it with: lodge up web)\n"},
		"does not":    {func(*rig) error { return nil }, "502 Bad Gateway lodge: shop/web is not running (hint: start it with: lodge up web)\n"},
		"and is gone": {func(r *rig) error { r.serve(starting); time.AfterFunc(0, func() { r.serve(down) }); return nil }, "502 Bad Gateway lodge: shop/web is not running (hint: start it with: lodge up web)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			eachProto(t, func(t *testing.T, proto, base string) {
				var r *rig
				var calls atomic.Int32
				r = newRig(t, Config{Start: func(_ context.Context, id string) error {
					if id != "shop/web" {
						t.Errorf("started %q", id)
					}
					calls.Add(1)
					return tc.start(r)
				}})
				r.serve(down)
				res, err := r.client(proto).Get(base)
				if err != nil {
					t.Fatal(err)
				}
				if got := res.Status + " " + bodyOf(t, res); got != tc.want || calls.Load() != 1 {
					t.Errorf("%q after %d starts", got, calls.Load())
				}
			})
		})
	}
}

// TestMoves: a service that comes and goes under load, each time at another
// address, fails no request. The old process ends as a good one does: it
// closes its listener, finishes what it has, and is gone.
func TestMoves(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{RefuseTime: patience}})
	type process struct {
		s  *http.Server
		at string
	}
	var served sync.WaitGroup
	defer served.Wait()
	spawn := func() process {
		ln := listen(t, "127.0.0.1:0")
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			w.Write(b)
		})}
		served.Go(func() { s.Serve(ln) })
		return process{s, ln.Addr().String()}
	}
	others := make([]Service, 500)
	names := make([]Service, 0, 501)
	for i := range others {
		others[i] = at(fmt.Sprintf("s%d", i), "127.0.0.1:1")
	}
	p := spawn()
	r.serve(append(append(names, others...), at("web", p.at))...)
	stop := make(chan struct{})
	var load sync.WaitGroup
	var asked atomic.Int64
	failed := make(chan string, 100)
	for i, pr := range protos {
		for range 4 {
			load.Go(func() {
				c := r.client(pr.name)
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					body := fmt.Sprint(i, n)
					req, _ := http.NewRequest("PUT", pr.scheme+"://web.shop.localhost/", strings.NewReader(body))
					res, err := c.Do(req)
					if err != nil {
						failed <- err.Error()
						return
					}
					b, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil || string(b) != body || res.StatusCode != 200 {
						failed <- fmt.Sprint(res.Status, string(b), err)
						return
					}
					asked.Add(1)
				}
			})
		}
	}
	starting := at("web", p.at)
	starting.State, starting.Endpoints = Starting, nil
	for i := range 30 {
		before := asked.Load()
		for deadline := time.Now().Add(patience); asked.Load() < before+100 && time.Now().Before(deadline) && len(failed) == 0; {
			req, _ := http.NewRequest("GET", "http://web.shop.localhost/", nil) // time passes with work, not with sleep
			if res, err := r.client("h1").Do(req); err == nil {
				res.Body.Close()
			}
		}
		old := p
		switch i % 3 {
		case 0: // its end is known first
			r.serve(append(append(names, others[:i]...), starting)...)
			old.s.Shutdown(context.Background())
			p = spawn()
		case 1: // it is gone before lodge knows
			old.s.Shutdown(context.Background())
			p = spawn()
		case 2: // both at once for a while
			p = spawn()
			defer old.s.Shutdown(context.Background())
		}
		r.serve(append(append(names, others...), at("web", p.at))...)
	}
	close(stop)
	load.Wait()
	close(failed)
	for f := range failed {
		t.Error(f)
	}
	p.s.Close()
	t.Logf("%d requests", asked.Load())
}

// TestUpstreamDies: before its answer, and in the middle of it.
func TestUpstreamDies(t *testing.T) {
	cut := raw(t, func(c net.Conn, br *bufio.Reader) {
		head, err := readHead(br)
		if err != nil {
			return
		}
		switch {
		case strings.HasPrefix(head, "GET /length"):
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		case strings.HasPrefix(head, "GET /chunked"):
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
		case strings.HasPrefix(head, "GET /chunk"):
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf")
		case strings.HasPrefix(head, "GET /head"):
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Le")
		case strings.HasPrefix(head, "GET /nonsense"):
			io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n\r\n")
		case strings.HasPrefix(head, "GET /switch"):
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		case strings.HasPrefix(head, "GET /interim"):
			io.WriteString(c, strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", maxInterim+1))
		}
	})
	r := newRig(t, Config{})
	r.serve(at("web", cut))
	eachProto(t, func(t *testing.T, proto, base string) {
		for _, path := range []string{"/length", "/chunked", "/chunk"} {
			res, err := r.client(proto).Get(base + path)
			if err != nil {
				if path == "/chunk" && strings.HasPrefix(proto, "h2") {
					continue // the head waits for the chunk
				}
				t.Fatal(path, err)
			}
			if b, err := io.ReadAll(res.Body); err == nil || string(b) != "half" {
				t.Errorf("%s: %q looked whole", path, b)
			}
			res.Body.Close()
		}
		for _, path := range []string{"/nothing", "/head", "/nonsense", "/switch", "/interim"} {
			status, body := get(t, r.client(proto), base+path)
			if status != http.StatusBadGateway || !strings.HasPrefix(body, "lodge: shop/web did not answer: read the answer of "+cut) {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
	})
	// HTTP/1.0 has no other sign of a cut answer than a reset.
	c := r.dial()
	res := r.ask(c, "GET /chunked HTTP/1.0\r\nHost: web.shop.localhost\r\n\r\n", "GET")
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("a cut answer to HTTP/1.0 looked whole")
	}
}

// TestRefused: nothing listens where the service is said to.
func TestRefused(t *testing.T) {
	closed, _ := refusing(t)
	r := newRig(t, Config{Limits: Limits{RefuseTime: time.Millisecond}, Tail: func(string) []string { return []string{"bye"} }})
	none := at("api", "127.0.0.1:1")
	none.Endpoints = nil
	r.serve(at("web", closed), none)
	eachProto(t, func(t *testing.T, proto, base string) {
		status, body := get(t, r.client(proto), base)
		if want := "lodge: shop/web did not answer: connect to " + closed + ": connect: connection refused\n  | bye\n"; status != 502 || body != want {
			t.Errorf("%d %q", status, body)
		}
		if status, body := get(t, r.client(proto), strings.Replace(base, "web", "api", 1)); status != 502 || !strings.Contains(body, "no address") {
			t.Errorf("%d %q", status, body)
		}
	})
}
