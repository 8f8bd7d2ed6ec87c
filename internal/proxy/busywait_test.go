package proxy

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"lodge/internal/proxy/socket"
)

// One client that asks in a loop, then two, one that is slow to ask, and a
// service that is slow to answer: in whichever way they are waited for, all get
// their answers.
func TestBusyWait(t *testing.T) {
	for _, proto := range []string{"h1", "https1"} {
		t.Run(proto, func(t *testing.T) {
			r := newRig(t, Config{})
			r.serve(at("web", backend(t, func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Query().Has("slow") {
					time.Sleep(3 * socket.BusyTime)
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
			ask(one, 0, 3*socket.BusyAfter, "")
			ask(one, 0, 3*socket.BusyAfter, "?slow")
			ask(one, 0, 3*socket.BusyAfter, "")
			time.Sleep(3 * socket.BusyTime)
			ask(one, 0, 3*socket.BusyAfter, "")
			var wg sync.WaitGroup
			wg.Go(func() { ask(one, 0, 5*socket.BusyAfter, "") })
			wg.Go(func() { ask(two, 1000, 1000+5*socket.BusyAfter, "") })
			wg.Wait()
			one.CloseIdleConnections()
			ask(two, 0, 2*socket.BusyAfter, "")
		})
	}
}
