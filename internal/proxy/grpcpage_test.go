package proxy

import (
	"net/http"
	"strings"
	"testing"
)

// TestCallsThatCannotBeAnswered: a client of gRPC gets an answer of gRPC also
// where there is none of the service's, and a page that only has gRPC's
// content type, without a call's method, is fetched as any other.
func TestCallsThatCannotBeAnswered(t *testing.T) {
	one := canned(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	down := Service{ID: "shop/api", Project: "shop", Names: NamesOf("api", "shop", false), State: Down, Exit: "it ended, 100 % sure: ä"}
	r := newRig(t, Config{})
	r.serve(at("web", one), down)
	for _, proto := range []string{"h2", "h2c"} {
		scheme := map[string]string{"h2": "https", "h2c": "http"}[proto]
		for _, c := range []struct{ method, host, code, message, body string }{
			{"POST", "web.shop.localhost", "14", "lodge: shop/web did not answer: ask " + one + ": it answered, but not in HTTP/2", ""},
			{"POST", "api.shop.localhost", "14", "lodge: shop/api is not running: it ended, 100 %25 sure: %C3%A4", ""},
			{"POST", "nobody.localhost", "12", "lodge: No service has this name: nobody.localhost leads nowhere", ""},
			{"GET", "web.shop.localhost", "", "", "ok"},
		} {
			req, err := http.NewRequest(c.method, scheme+"://"+c.host+"/a.B/C", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/grpc+proto")
			req.Header.Set("Te", "trailers")
			res, err := r.client(proto).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body := bodyOf(t, res)
			isGRPC := res.Header.Get("Content-Type") == "application/grpc"
			if res.StatusCode != 200 || body != c.body || res.Header.Get("Grpc-Status") != c.code || isGRPC != (c.code != "") || !strings.HasPrefix(res.Header.Get("Grpc-Message"), c.message) {
				t.Errorf("%s %s over %s: %d %q %v", c.method, c.host, proto, res.StatusCode, body, res.Header)
			}
		}
	}
}
