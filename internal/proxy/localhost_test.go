package proxy

import (
	"net/http"
	"net/url"
	"testing"
)

// A service that wants to be asked as localhost sees Host and Origin agree, is
// told the real name, and its redirects lead to that again.
func TestHostLocalhost(t *testing.T) {
	seen := make(chan *http.Request, 1)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(http.StatusFound)
	})
	r := newRig(t, Config{})
	s := at("web", up)
	s.Host, s.Origin, s.AllowCrossSite = "localhost:3000", "http://localhost:3000", true
	r.serve(s)
	eachProto(t, func(t *testing.T, proto, base string) {
		client := r.client(proto)
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		scheme := base[:len(base)-len("://web.shop.localhost")]
		for _, c := range []struct{ origin, referer, to, wantOrigin, wantReferer, wantTo string }{
			{base, base + "/a?b", "http://localhost:3000/login?next=/", "http://localhost:3000", "http://localhost:3000/a?b", base + "/login?next=/"},
			{"https://evil.test", "https://evil.test/x", "/here", "https://evil.test", "https://evil.test/x", "/here"},
			{base + ".evil.test", "", "http://localhost:30001/", base + ".evil.test", "", "http://localhost:30001/"},
			{"null", "about:blank", "//localhost:3000", "null", "about:blank", scheme + "://web.shop.localhost"},
			{"", "", "https://localhost:3000#x", "", "", base + "#x"},
			{"", "", "http://localhost:4000/other", "", "", "http://localhost:4000/other"},
		} {
			req, err := http.NewRequest("GET", base+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.URL.RawQuery = "to=" + url.QueryEscape(c.to)
			for k, v := range map[string]string{"Origin": c.origin, "Referer": c.referer} {
				if v != "" {
					req.Header.Set(k, v)
				}
			}
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			bodyOf(t, res)
			in := within(t, seen, "the request")
			if in.Host != "localhost:3000" || in.Header.Get("X-Forwarded-Host") != "web.shop.localhost" {
				t.Errorf("Host %q, X-Forwarded-Host %q", in.Host, in.Header.Get("X-Forwarded-Host"))
			}
			if o, f := in.Header.Get("Origin"), in.Header.Get("Referer"); o != c.wantOrigin || f != c.wantReferer {
				t.Errorf("%q, %q: Origin %q, Referer %q", c.origin, c.referer, o, f)
			}
			if to := res.Header.Get("Location"); to != c.wantTo {
				t.Errorf("Location %q became %q, want %q", c.to, to, c.wantTo)
			}
		}
	})
}
