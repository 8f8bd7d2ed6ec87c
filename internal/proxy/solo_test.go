package proxy

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// One client that asks in a loop, then two, one that is slow to ask, and a
// service that is slow to answer: whoever is waited for in which way, all get
// their answers.
func TestSolo(t *testing.T) {
	for _, proto := range []string{"h1", "https1"} {
		t.Run(proto, func(t *testing.T) {
			r := newRig(t, Config{})
			r.serve(at("web", backend(t, func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Query().Has("slow") {
					time.Sleep(3 * soloWait)
				}
				io.WriteString(w, req.URL.Path)
			})))
			base := map[string]string{"h1": "http", "https1": "https"}[proto] + "://web.shop.localhost"
			ask := func(c *http.Client, from, to int, query string) {
				for i := from; i < to; i++ {
					path := fmt.Sprintf("/%d", i)
					if status, body := get(t, c, base+path+query); status != 200 || body != path {
						t.Errorf("%s: %d, %q", path, status, body)
					}
				}
			}
			one, two := r.client(proto), r.client(proto)
			ask(one, 0, 3*soloAfter, "")
			ask(one, 0, 3*soloAfter, "?slow")
			ask(one, 0, 3*soloAfter, "")
			time.Sleep(3 * soloWait)
			ask(one, 0, 3*soloAfter, "")
			var wg sync.WaitGroup
			wg.Go(func() { ask(one, 0, 5*soloAfter, "") })
			wg.Go(func() { ask(two, 1000, 1000+5*soloAfter, "") })
			wg.Wait()
			one.CloseIdleConnections()
			ask(two, 0, 2*soloAfter, "")
		})
	}
}

// await tells what is there from what is not, and from the end.
func TestSoloAwait(t *testing.T) {
	ln := listen(t, "127.0.0.1:0")
	r := &rig{t: t, addr: ln.Addr().String()}
	c := r.dial()
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	low, err := newLowConn(c, nil, func() {})
	if err != nil {
		t.Fatal(err)
	}
	await := func(s *solo) (there bool) {
		t.Helper()
		if err := low.raw.Control(func(fd uintptr) { there = s.await(fd) }); err != nil {
			t.Fatal(err)
		}
		return there
	}
	s := &solo{n: soloAfter}
	if await(s) || s.is() {
		t.Errorf("nothing is there: %+v", s)
	}
	s.n = soloAfter
	io.WriteString(far, "x")
	time.Sleep(time.Millisecond)
	if !await(s) || !s.is() {
		t.Errorf("something is there: %+v", s)
	}
	c.Read(make([]byte, 1))
	far.Close()
	time.Sleep(time.Millisecond)
	if !await(s) {
		t.Error("the end is there")
	}
	var none *solo
	if none.is() {
		t.Error("none is one")
	}
}
