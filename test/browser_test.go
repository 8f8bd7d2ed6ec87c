package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// browserSite is a browser that trusts lodge's names, and a project in two git
// worktrees. Service web is for its own pages, open for everybody's.
type browserSite struct {
	*browser
	e     *env
	trees [2]*project // on the branches main and feature/cart
	// labels are what the projects are called in host names.
	labels [2]string
}

func newBrowserSite(t *testing.T, e *env) *browserSite {
	t.Helper()
	git := need(t, "git")
	need(t, "certutil")
	need(t, "chromium")
	e.quiet()
	shop := e.project("shop", "lodge.toml", `version = 1
default = "web"
[services.web]
command = '''sh -c 'exec `+peerBin+` web :8200 "web of $LODGE_PROJECT"' '''
[services.open]
command = '''sh -c 'exec `+peerBin+` web :8201 "open of $LODGE_PROJECT"' '''
cross_site = "allow"
`)
	home := filepath.Join(e.base, "h")
	e.mkdir(home)
	environ := append(slices.Clone(e.environ), "PATH="+testPath, "HOME="+home, "GIT_CONFIG_NOSYSTEM=1")
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "one"}, {"worktree", "add", "-q", "../cart", "-b", "feature/cart"}} {
		e.as(environ, shop.dir, append([]string{git, "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"}, args...)...).ok(t)
	}
	s := &browserSite{e: e, trees: [2]*project{shop, {env: e, name: "cart", dir: filepath.Join(e.base, "p", "cart")}}, labels: [2]string{"shop", "feature-cart-shop"}}
	for _, p := range s.trees {
		p.up()
	}
	// Chromium looks into the NSS database of its home directory, which is one
	// of this test's own.
	e.as(environ, shop.dir, e.bin, "trust", "--only", "nss").ok(t)
	s.browser = e.chromium(home, "--host-resolver-rules=MAP evil.example 127.0.0.1")
	return s
}

// bare returns the HTTPS name of a worktree itself, which means its service web.
func (s *browserSite) bare(i int) string {
	s.t.Helper()
	q, _ := s.trees[i].info()
	return q.URL
}

// seen returns how many requests a service had for its WebSocket and for /post.
func (s *browserSite) seen(p *project, service string) string {
	s.t.Helper()
	_, _, body := s.e.browse(s.e.authority(), p.urlOf(service)+"/seen")
	return body
}

// How an expression of a page tells what became of a request.
const (
	echoScript = `new Promise((done) => {
		const w = new WebSocket('%s'); w.onopen = () => w.send('echo of ' + document.title)
		w.onmessage = (e) => { done(e.data); w.close() }; w.onerror = () => done('refused') })`
	// A request that needs no one's leave (Fetch, "no-cors"): the page sees
	// nothing of the answer, but the service has had it.
	postScript = `fetch('%s', { method: 'POST', mode: 'no-cors', credentials: 'include', body: 'x' }).then((r) => r.type, () => 'refused')`
)

func TestBrowser(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		s := newBrowserSite(t, e)
		tabs := [2]*page{s.page(), s.page()}
		for i, tab := range tabs {
			s.secure(tab, s.bare(i), "web of "+s.labels[i])
		}
		s.websockets(tabs)
		s.anotherSite(tabs)
		s.rebinding(tabs[0])
	})
}

// secure opens a page, and the browser must say that it is: with the padlock,
// over HTTP/2 and TLS 1.3, by a certificate for exactly this name.
func (s *browserSite) secure(tab *page, url, text string) {
	s.t.Helper()
	if failure := tab.open(url + "/"); failure != "" {
		s.t.Fatalf("open %s: %s", url, failure)
	}
	s.padlock(tab, url, text)
}

func (s *browserSite) padlock(tab *page, url, text string) {
	s.t.Helper()
	if got := tab.eval("document.getElementById('text').textContent"); got != text {
		s.t.Errorf("%s shows %q, want %q", url, got, text)
	}
	tab.await("Security.visibleSecurityStateChanged", func(params json.RawMessage) bool {
		var v struct {
			State struct {
				SecurityState string `json:"securityState"`
				Certificate   struct {
					Protocol     string `json:"protocol"`
					SubjectName  string `json:"subjectName"`
					NetworkError string `json:"certificateNetworkError"`
				} `json:"certificateSecurityState"`
			} `json:"visibleSecurityState"`
		}
		return json.Unmarshal(params, &v) == nil && v.State.SecurityState == "secure" && v.State.Certificate.Protocol == "TLS 1.3" && v.State.Certificate.NetworkError == ""
	})
	host := strings.TrimPrefix(url, "https://")
	host, _, _ = strings.Cut(host, ":")
	tab.await("Network.responseReceived", func(params json.RawMessage) bool {
		var v struct {
			Type     string `json:"type"`
			Response struct {
				Status        int    `json:"status"`
				Protocol      string `json:"protocol"`
				SecurityState string `json:"securityState"`
				Details       struct {
					Protocol string   `json:"protocol"`
					SANs     []string `json:"sanList"`
				} `json:"securityDetails"`
			} `json:"response"`
		}
		r := &v.Response
		return json.Unmarshal(params, &v) == nil && v.Type == "Document" && r.Status == 200 && r.Protocol == "h2" && r.SecurityState == "secure" &&
			r.Details.Protocol == "TLS 1.3" && slices.Equal(r.Details.SANs, []string{host})
	})
}

// websockets: each page has its own, and one of another service of its project.
func (s *browserSite) websockets(tabs [2]*page) {
	s.t.Helper()
	for i, tab := range tabs {
		for _, url := range []string{s.bare(i), s.trees[i].urlOf("web"), s.trees[i].urlOf("open")} {
			url = strings.Replace(url, "https://", "wss://", 1) + "/ws"
			if got := tab.eval(fmt.Sprintf(echoScript, url)); got != "echo of web of "+s.labels[i] {
				s.t.Errorf("WebSocket %s: %q", url, got)
			}
		}
	}
}

// anotherSite has pages that lodge does not serve ask the services.
func (s *browserSite) anotherSite(tabs [2]*page) {
	s.t.Helper()
	shop := s.trees[0]
	link := shop.urlOf("web")
	evil := background(s.t, s.e.beside(peerBin, "http", "127.0.0.1:0", "<!doctype html><title>evil</title><a href='"+link+"/'>a link</a>"))
	awaitOutput(s.t, evil, "\n")
	port := strings.TrimPrefix(strings.TrimSpace(evil.stdout()), "listening on 127.0.0.1:")
	tab := tabs[0]
	before := map[string]string{"web": s.seen(shop, "web"), "open": s.seen(shop, "open")}
	for _, from := range []string{"http://evil.example:" + port + "/", s.bare(1) + "/"} {
		if failure := tab.open(from); failure != "" {
			s.t.Fatalf("open %s: %s", from, failure)
		}
		if got := tab.eval(fmt.Sprintf(postScript, link+"/post")); got != "refused" && got != "opaque" {
			s.t.Errorf("%s posts to %s: %q", from, link, got)
		}
		tab.await("Network.responseReceived", func(params json.RawMessage) bool {
			return strings.Contains(string(params), `"url":"`+link+`/post"`) && strings.Contains(string(params), `"status":403`)
		})
		ws := strings.Replace(link, "https://", "wss://", 1) + "/ws"
		if got := tab.eval(fmt.Sprintf(echoScript, ws)); got != "refused" {
			s.t.Errorf("%s opens %s: %q", from, ws, got)
		}
		if got := s.seen(shop, "web"); got != before["web"] {
			s.t.Errorf("requests of %s came to a service that is for its own pages: %s before, %s after", from, before["web"], got)
		}
		// The same, to a service that allows it.
		open := shop.urlOf("open")
		if got := tab.eval(fmt.Sprintf(postScript, open+"/post")); got != "opaque" {
			s.t.Errorf("%s posts to %s: %q", from, open, got)
		}
		if got := tab.eval(fmt.Sprintf(echoScript, strings.Replace(open, "https://", "wss://", 1)+"/ws")); !strings.HasPrefix(got, "echo of ") {
			s.t.Errorf("%s opens a WebSocket of %s: %q", from, open, got)
		}
		was := before["open"]
		before["open"] = s.seen(shop, "open")
		if n := atoi(s.t, before["open"]) - atoi(s.t, was); n != 2 {
			s.t.Errorf("%d of two requests of %s came to the service that allows them", n, from)
		}
	}
	// A link is followed, as everywhere on the web.
	if failure := tab.open("http://evil.example:" + port + "/"); failure != "" {
		s.t.Fatal(failure)
	}
	tab.begin()
	tab.eval("document.querySelector('a').click()")
	tab.await("Page.loadEventFired", nil)
	tab.becomes("document.title", "web of shop")
	s.padlock(tab, link, "web of shop")
}

// rebinding opens a name of somebody else that leads to this machine.
func (s *browserSite) rebinding(tab *page) {
	s.t.Helper()
	_, port, found := strings.Cut(strings.TrimPrefix(s.bare(0), "https://"), ":")
	plain := "http://evil.example"
	if found {
		plain += ":" + port
	}
	if failure := tab.open(plain + "/"); failure != "" && failure != "net::ERR_HTTP_RESPONSE_CODE_FAILURE" {
		s.t.Errorf("open %s: %s", plain, failure)
	}
	tab.await("Network.responseReceived", func(params json.RawMessage) bool {
		return strings.Contains(string(params), `"url":"`+plain+`/"`) && strings.Contains(string(params), `"status":421`)
	})
	if got := tab.eval("document.documentElement.textContent"); strings.Contains(got, "web of") || strings.Contains(got, ".localhost") {
		s.t.Errorf("%s shows %q", plain, got)
	}
	secure := strings.Replace(plain, "http:", "https:", 1)
	if failure := tab.open(secure + "/"); failure != "net::ERR_SSL_UNRECOGNIZED_NAME_ALERT" {
		s.t.Errorf("open %s: %q", secure, failure)
	}
}

// TestViteByName: a page of a Vite dev server that was opened by its name
// changes when a file does, without being loaded anew.
func TestViteByName(t *testing.T) {
	need(t, "node")
	need(t, "npm")
	need(t, "certutil")
	need(t, "chromium")
	if _, err := os.Stat("testdata/vite/node_modules/.package-lock.json"); err != nil && os.Geteuid() != 0 {
		t.Skip("npm package vite is missing (hint: sh test/install)")
	}
	modules := viteModules(t)
	eachEngine(t, func(t *testing.T, e *env) {
		const module = `export const text = "first"
const show = (text) => { document.getElementById("text").textContent = text }
show(text)
import.meta.hot.accept((m) => { show(m.text) })
`
		e.quiet()
		p := e.project("vite", "vite.config.js", viteConfig,
			"package.json", `{ "private": true, "type": "module", "scripts": { "dev": "vite" } }`,
			"index.html", `<!doctype html><p id="text"></p><script type="module" src="/main.js"></script>`,
			"main.js", module,
			"lodge.toml", config("web", "npm run dev", `env = { HOME = "." }`))
		if out, err := exec.Command("cp", "-r", modules, filepath.Join(p.dir, "node_modules")).CombinedOutput(); err != nil {
			t.Fatalf("copy node_modules: %v\n%s", err, out)
		}
		p.ownTree(filepath.Join(p.dir, "node_modules"))
		p.up()
		home := filepath.Join(e.base, "h")
		e.mkdir(home)
		e.as(append(slices.Clone(e.environ), "PATH="+testPath, "HOME="+home), p.dir, e.bin, "trust", "--only", "nss").ok(t)
		tab := e.chromium(home).page()
		url := p.urlOf("web")
		if failure := tab.open(url + "/"); failure != "" {
			t.Fatalf("open %s: %s", url, failure)
		}
		tab.becomes("document.getElementById('text').textContent", "first")
		// Vite says so over the WebSocket; until it is connected a change is not told.
		tab.await("Network.webSocketFrameReceived", func(params json.RawMessage) bool { return strings.Contains(string(params), `connected`) })
		socket := strings.Replace(url, "https://", "wss://", 1)
		tab.await("Network.webSocketCreated", func(params json.RawMessage) bool { return strings.Contains(string(params), `"url":"`+socket+`/`) })
		tab.eval("window.same = 'page'")
		for _, text := range []string{"second", "third"} {
			tab.becomesBy(func() { p.write("main.js", strings.Replace(module, "first", text, 1)) }, "document.getElementById('text').textContent", text)
		}
		if got := tab.eval("window.same"); got != "page" {
			t.Errorf("the page was loaded anew: %q", got)
		}
	})
}
