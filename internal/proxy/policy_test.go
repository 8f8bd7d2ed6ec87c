package proxy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// TestNames: which names lead where.
func TestNames(t *testing.T) {
	say := func(s string) string {
		return backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) })
	}
	fix := at("web", say("fix"))
	fix.ID, fix.Project, fix.Names = "fix/web", "fix.shop", NamesOf("web", "fix.shop", true)
	r := newRig(t, Config{})
	r.serve(at("web", say("web")), at("api", say("api")), fix)
	for host, want := range map[string]string{
		"web.shop.localhost": "200 web", "api.shop.localhost": "200 api", "shop.localhost": "200 web", "WEB.Shop.LocalHost": "200 web",
		"web.shop.localhost.": "200 web", "web.shop.localhost:8443": "200 web", "a.web.shop.localhost": "200 web", "b.a.api.shop.localhost": "200 api",
		"web.fix.shop.localhost": "200 fix", "fix.shop.localhost": "200 fix", "x.web.fix.shop.localhost": "200 fix",
		"db.shop.localhost": "404", "localhost": "404", "other.localhost": "404", "xweb.shop.localhost": "404", "web.shop.localhost.evil": "421",
		"evil.example": "421", "127.0.0.1": "421", "[::1]": "421", "[::1]:80": "421", "web.shop.localhost.evil.example": "421", "notlocalhost": "421",
		"": "400", "a b": "400", "web.shop.localhost:x": "400", "web.shop.localhost:123456": "400", "[::1": "400", "a@web.shop.localhost": "400", "web.shop.localhost/": "400",
	} {
		res := r.ask(r.dial(), "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n", "GET")
		got := bodyOf(t, res)
		if res.StatusCode != 200 {
			got = ""
		}
		if got := strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", got)); got != want {
			t.Errorf("%q: %s, want %s", host, got, want)
		}
	}
}

// TestCrossSite: what a page of another site may make a browser ask.
func TestCrossSite(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secret") })
	open, some := at("open", up), at("some", up)
	open.AllowCrossSite = true
	some.AllowOrigins = []string{"http://localhost:5173"}
	other := at("web", up)
	other.ID, other.Project, other.Names = "mail/web", "mail", NamesOf("web", "mail", true)
	r := newRig(t, Config{})
	r.serve(at("web", up), at("api", up), open, some, other)
	const evil = "https://evil.example"
	for _, tc := range []struct {
		what, method, host string
		fields             []string
		pass               bool
	}{
		{"curl", "GET", "web", nil, true},
		{"curl posts", "POST", "web", nil, true},
		{"typed into the address bar", "GET", "web", []string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, true},
		{"own page", "POST", "web", []string{"Sec-Fetch-Site: same-origin", "Origin: http://web.shop.localhost"}, true},
		{"own page, old browser", "POST", "web", []string{"Origin: http://web.shop.localhost"}, true},
		{"page of the project", "POST", "api", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "Origin: https://web.shop.localhost:8443"}, true},
		{"page of the project, from http to https", "GET", "api", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Origin: http://shop.localhost"}, true},
		{"image of the project, from http to https", "GET", "api", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Referer: http://web.shop.localhost/page?x"}, true},
		{"link", "GET", "web", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Referer: " + evil + "/"}, true},
		{"fetch", "GET", "web", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Origin: " + evil}, false},
		{"image", "GET", "web", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image", "Referer: " + evil + "/"}, false},
		{"image without a referrer", "GET", "web", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"}, false},
		{"script", "GET", "web", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"}, false},
		{"frame", "GET", "web", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"}, false},
		{"object", "GET", "web", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: object"}, false},
		{"form", "POST", "web", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Origin: " + evil}, false},
		{"form, old browser", "POST", "web", []string{"Origin: " + evil}, false},
		{"sandboxed form", "POST", "web", []string{"Origin: null"}, false},
		{"preflight", "OPTIONS", "web", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Origin: " + evil, "Access-Control-Request-Method: PUT"}, false},
		{"WebSocket", "GET", "web", []string{"Connection: Upgrade", "Upgrade: websocket", "Origin: " + evil}, false},
		{"another project", "POST", "web", []string{"Sec-Fetch-Site: cross-site", "Origin: http://web.mail.localhost"}, false},
		{"name that looks alike", "POST", "web", []string{"Origin: http://web.shop.localhost.evil.example"}, false},
		{"name with a user", "POST", "web", []string{"Origin: http://web.shop.localhost@evil.example"}, false},
		{"another scheme", "POST", "web", []string{"Origin: file://web.shop.localhost"}, false},
		{"referrer that looks alike", "GET", "web", []string{"Sec-Fetch-Site: cross-site", "Referer: http://evil.example/http://web.shop.localhost/"}, false},
		{"unknown word", "GET", "web", []string{"Sec-Fetch-Site: something"}, false},
		{"allowed service", "POST", "open", []string{"Sec-Fetch-Site: cross-site", "Origin: " + evil}, true},
		{"allowed origin", "POST", "some", []string{"Sec-Fetch-Site: cross-site", "Origin: http://localhost:5173"}, true},
		{"another origin", "POST", "some", []string{"Sec-Fetch-Site: cross-site", "Origin: http://localhost:5174"}, false},
	} {
		send := tc.method + " / HTTP/1.1\r\nHost: " + tc.host + ".shop.localhost\r\nContent-Length: 0\r\n"
		for _, f := range tc.fields {
			send += f + "\r\n"
		}
		res := r.ask(r.dial(), send+"\r\n", tc.method)
		body := bodyOf(t, res)
		if pass := res.StatusCode == 200 && body == "secret"; pass != tc.pass || !pass && res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s %q", tc.what, res.Status, body)
		}
		// The same over HTTP/2, which forbids some of the fields.
		if strings.Contains(send, "Upgrade") {
			continue
		}
		req, _ := http.NewRequest(tc.method, "https://"+tc.host+".shop.localhost/", nil)
		for _, f := range tc.fields {
			k, v, _ := strings.Cut(f, ": ")
			req.Header.Set(k, v)
		}
		if tc.host != "web" && tc.host != "api" {
			continue // not in the certificate
		}
		res, err := r.client("h2").Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if pass := res.StatusCode == 200; pass != tc.pass {
			t.Errorf("%s over HTTP/2: %s", tc.what, res.Status)
		}
		res.Body.Close()
	}
}

// TestRedirect: http: to https:, where a service wants it.
func TestRedirect(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	s := at("web", up)
	s.RedirectPlain = true
	for port, want := range map[int]string{0: "https://web.shop.localhost:8080/a?b=c", 443: "https://web.shop.localhost/a?b=c", 8443: "https://web.shop.localhost:8443/a?b=c"} {
		r := newRig(t, Config{HTTPSPort: port})
		r.serve(s)
		for _, method := range []string{"GET", "POST"} {
			res := r.ask(r.dial(), method+" /a?b=c HTTP/1.1\r\nHost: web.shop.localhost:8080\r\nContent-Length: 0\r\n\r\n", method)
			if res.StatusCode != http.StatusTemporaryRedirect || res.Header.Get("Location") != want {
				t.Errorf("%d: %s to %s", port, res.Status, res.Header.Get("Location"))
			}
		}
		if status, got := get(t, r.client("h2"), "https://web.shop.localhost/"); status != 200 || got != "ok" {
			t.Errorf("https: %d %q", status, got)
		}
	}
}

// TestLoop: a service that forwards to its own name does not do so for ever.
func TestLoop(t *testing.T) {
	var r *rig
	up := backend(t, func(w http.ResponseWriter, in *http.Request) {
		out, _ := http.NewRequest("GET", "http://web.shop.localhost/", nil)
		out.Header = in.Header.Clone()
		res, err := r.client("h1").Do(out)
		if err != nil {
			w.WriteHeader(500)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		io.Copy(w, res.Body)
	})
	r = newRig(t, Config{})
	r.serve(at("web", up))
	status, got := get(t, r.client("h1"), "http://web.shop.localhost/")
	if status != http.StatusLoopDetected || !strings.Contains(got, "goes round in a circle") {
		t.Errorf("%d %q", status, got)
	}
}

// TestPages: each form says the same, with nothing in it that could run.
func TestPages(t *testing.T) {
	const nasty = `<script>alert("x")</script>`
	down := Service{ID: "shop/web", Project: "shop", Names: NamesOf("web", "shop", true), State: Down, Exit: "exited with status 1 " + nasty, StartWith: "lodge up web"}
	r := newRig(t, Config{Tail: func(string) []string { return []string{"\x1b[31mError:\x1b[0m \x07" + nasty, "second\r"} }})
	r.serve(down)
	for _, p := range protos {
		ask := func(accept, host, method string) (*http.Response, string) {
			req, _ := http.NewRequest(method, p.scheme+"://"+host+"/", nil)
			if accept != "" {
				req.Header.Set("Accept", accept)
			}
			res, err := r.client(p.name).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			return res, bodyOf(t, res)
		}
		res, text := ask("", "web.shop.localhost", "GET")
		want := "lodge: shop/web is not running: exited with status 1 " + nasty + " (hint: start it with: lodge up web)\n  | Error: " + nasty + "\n  | second\n"
		if res.StatusCode != 502 || text != want || res.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("text: %s %v %q", res.Status, res.Header, text)
		}
		res, page := ask("text/html,application/xhtml+xml,*/*;q=0.8", "web.shop.localhost", "GET")
		if res.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(page, "lodge up web") {
			t.Errorf("HTML: %v %q", res.Header, page)
		}
		z := html.NewTokenizer(strings.NewReader(page))
		for z.Next() != html.ErrorToken {
			if tok := z.Token(); tok.Data == "script" && (tok.Type == html.StartTagToken || tok.Type == html.SelfClosingTagToken) {
				t.Error("the page has a script")
			}
		}
		for k, v := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
			if res.Header.Get(k) != v {
				t.Errorf("%s is %q", k, res.Header.Get(k))
			}
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("policy %q", csp)
		}
		_, body := ask("application/json", "web.shop.localhost", "GET")
		var j map[string]any
		if err := json.Unmarshal([]byte(body), &j); err != nil || j["error"] != "down" || j["status"] != 502.0 || j["hint"] != "start it with: lodge up web" {
			t.Errorf("JSON: %v %q", err, body)
		}
		if res, body := ask("", "web.shop.localhost", "HEAD"); body != "" || res.ContentLength <= 0 {
			t.Errorf("HEAD: %d, %q", res.ContentLength, body)
		}
		_, text = ask("", "nobody.localhost", "GET")
		if !strings.Contains(text, p.scheme+"://web.shop.localhost/\n") || !strings.Contains(text, p.scheme+"://shop.localhost/\n") {
			t.Errorf("unknown name: %q", text)
		}
	}
	res := r.ask(r.dial(), "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET")
	if body := bodyOf(t, res); strings.Contains(body, "shop") {
		t.Errorf("a foreign host learns names: %q", body)
	}
	// After a page, the connection goes on, also after a short body.
	c := r.dial()
	for range 3 {
		res := r.ask(c, "POST / HTTP/1.1\r\nHost: web.shop.localhost\r\nContent-Length: 4\r\n\r\nbody", "POST")
		if bodyOf(t, res); res.StatusCode != 502 {
			t.Error(res.Status)
		}
	}
}

// TestUsage counts what is asked of a service, over tables.
func TestUsage(t *testing.T) {
	wait := make(chan struct{})
	up := backend(t, func(w http.ResponseWriter, r *http.Request) { <-wait })
	r := newRig(t, Config{})
	r.serve(at("web", up))
	for i, p := range protos {
		done := make(chan struct{})
		go func() {
			defer close(done)
			if res, err := r.client(p.name).Get(p.scheme + "://web.shop.localhost/"); err == nil {
				res.Body.Close()
			}
		}()
		waitOpen(t, r, 1)
		r.serve(at("web", up), at("api", up))
		if u := r.e.Usage("shop/web"); u.Requests != uint64(i+1) || u.Open != 1 {
			t.Errorf("%+v", u)
		}
		wait <- struct{}{}
		within(t, done, "the answer")
		waitOpen(t, r, 0)
		if u := r.e.Usage("shop/web"); u.Last.IsZero() {
			t.Errorf("%+v", u)
		}
	}
}
