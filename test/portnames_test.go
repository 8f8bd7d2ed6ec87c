package test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// twoServers is a page on 3000 and an API on 4000 in one process; SIGUSR2 takes
// the page away, and a second one brings it back.
const twoServers = `const http = require('http')
const serve = (name, port) => { const s = http.createServer((q, r) => r.end(name)); s.listen(port, 'localhost'); return s }
let page = serve('the page', 3000); serve('the API', 4000)
process.on('SIGUSR2', () => { if (!page) { page = serve('the page', 3000); return }; page.close(); page.closeAllConnections(); page = null; console.log('it is away') })
`

// listens waits until a service listens on all of these ports.
func (p *project) listens(service string, ports ...uint16) {
	p.t.Helper()
	eventually(p.t, func() string {
		s, _ := p.service(service)
		for _, port := range ports {
			if !slices.ContainsFunc(s.Endpoints, func(e lsEndpoint) bool { return e.Port == port }) {
				return fmt.Sprintf("%s does not listen on port %d: %+v", service, port, s)
			}
		}
		return ""
	})
}

// A service with several servers: its name leads to the lowest, the others have
// names of their own, and none answers for another.
func TestNamesOfPorts(t *testing.T) {
	node := need(t, "node")
	curl := need(t, "curl")
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("shop", "s.js", twoServers, "lodge.toml", `version = 1
[services.dev]
command = "`+node+` s.js"
names = { api = 4000, docs = 3001 }
[services.web]
command = "`+peerBin+` http 127.0.0.1:8100 'another service'"
`)
		p.up()
		ca := e.authority()
		dev := p.urlOf("dev")
		below := func(label string) string { return strings.Replace(dev, "//dev.", "//"+label+".", 1) }
		p.listens("dev", 3000, 4000)
		for address, want := range map[string]string{
			dev: "the page", below("a.b.dev"): "the page", below("3000.dev"): "the page",
			below("4000.dev"): "the API", below("x.4000.dev"): "the API", below("api"): "the API", below("4000"): "the API", below("8100"): "another service",
			p.lodge("open", "--print", "api").ok(t): "the API", p.lodge("open", "--print", "4000.dev").ok(t): "the API",
		} {
			if status, _, body := e.browse(ca, address); status != "200" || !strings.HasPrefix(body, want) {
				t.Errorf("%s: %s, %q; want %q", address, status, body, want)
			}
		}
		if status, _, body := e.browse(ca, below("4242.dev")); status != "404" || !strings.Contains(body, "does not listen on port 4242") || !strings.Contains(body, "4000.dev.shop.localhost") {
			t.Errorf("a port that is not there: %s, %q", status, body)
		}
		for name, want := range map[string]string{"4242.dev": "dev does not listen on that port (hint: it listens on ports 3000, 4000)", "apo": "there are: dev, web, api, docs"} {
			if r := p.lodge("open", "--print", name); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, want) {
				t.Errorf("open %s: %v, want %q", name, r, want)
			}
		}
		var list struct {
			Projects []struct {
				Services []struct {
					Name    string
					WebPort uint16 `json:"web_port"`
					Names   []struct {
						Name     string
						Port     uint16
						URL      string
						HostName string `json:"host_name"`
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(p.lodge("ls", "--json").ok(t)), &list); err != nil {
			t.Fatal(err)
		}
		s := list.Projects[0].Services[0]
		if s.WebPort != 3000 || len(s.Names) != 2 || s.Names[0].Name != "api" || s.Names[0].Port != 4000 || s.Names[0].URL != below("api") || s.Names[0].HostName != "api.shop.test" {
			t.Errorf("ls --json: %+v", s)
		}
		if out := p.lodge("ls").ok(t); !strings.Contains(out, below("api")) {
			t.Errorf("ls does not show the name of a port:\n%s", out)
		}
		if out := p.lodge("explain", "api.shop.localhost").ok(t); !strings.Contains(out, "The name means its port 4000.") {
			t.Errorf("explain: %s", out)
		}

		// While the page is away its name waits for it, and the API answers as ever.
		svc, _ := p.service("dev")
		signal := func() { e.as(e.environ, e.base, "kill", "-USR2", strconv.Itoa(svc.PID)).ok(t) }
		signal()
		eventually(t, func() string {
			if !strings.Contains(p.lodge("logs", "dev").ok(t), "it is away") {
				return "the page is still there"
			}
			return ""
		})
		waits := make(chan result, 1)
		go func() { waits <- e.as(e.environ, e.base, curl, "--noproxy", "*", "-sS", "--cacert", ca, dev) }()
		if status, _, body := e.browse(ca, below("api")); status != "200" || body != "the API" {
			t.Errorf("the API meanwhile: %s, %q", status, body)
		}
		signal()
		if got := (<-waits).ok(t); got != "the page" {
			t.Errorf("the request that waited got %q", got)
		}
	})
}

// A control port gets nothing, and what speaks no HTTP is told apart by asking,
// or by its word.
func TestPortsWithoutHTTP(t *testing.T) {
	node := need(t, "node")
	openssl := need(t, "openssl")
	const program = `const net = require('net'), http = require('http'), fs = require('fs')
const control = port => net.createServer(s => s.on('data', d => fs.appendFileSync('control' + port, d))).listen(port)
const lines = port => net.createServer(s => { s.on('error', () => {}); s.on('data', d => { fs.appendFileSync('lines' + port, d); s.end(String(d).includes('hello') ? 'hello yourself\n' : 'what?\n') }) }).listen(port)
switch (process.argv[2]) {
case 'tomcat': control(8005); http.createServer((q, r) => r.end('the page')).listen(8080); break
case 'lines': lines(7000); break
case 'quiet': lines(7001); break
}
`
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("shop", "s.js", program, "lodge.toml", `version = 1
default = "tomcat"
[services.tomcat]
command = "`+node+` s.js tomcat"
[services.lines]
command = "`+node+` s.js lines"
[services.quiet]
command = "`+node+` s.js quiet"
http = false
`)
		p.up()
		ca := e.authority()
		tomcat := p.urlOf("tomcat")
		p.listens("tomcat", 8005, 8080)
		for range 3 {
			if status, _, body := e.browse(ca, tomcat); status != "200" || body != "the page" {
				t.Errorf("%s: %s, %q", tomcat, status, body)
			}
		}
		if b, err := os.ReadFile(filepath.Join(p.dir, "control8005")); err == nil {
			t.Errorf("the control port got %q", b)
		}
		for _, name := range []string{"lines", "quiet"} {
			r := p.lodge("open", "--print", name)
			if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "does not speak HTTP on port 700") || !strings.Contains(r.stderr, name+".shop.test:700") {
				t.Errorf("open %s: %v", name, r)
			}
			if status, _, body := e.browse(ca, strings.Replace(strings.Replace(tomcat, "https:", "http:", 1), "//tomcat.", "//"+name+".", 1)); status != "404" || !strings.Contains(body, "does not speak HTTP") {
				t.Errorf("a browser at %s: %s, %q", name, status, body)
			}
			u, err := url.Parse(tomcat)
			if err != nil {
				t.Fatal(err)
			}
			port := u.Port()
			if port == "" {
				port = "443"
			}
			out := e.as(e.environ, e.base, "sh", "-c", `echo hello | "$@" | head -n 1`, "sh", openssl, "s_client", "-quiet", "-connect", "127.0.0.1:"+port, "-CAfile", ca,
				"-servername", name+".shop.localhost", "-verify_return_error", "-verify_hostname", name+".shop.localhost").ok(t)
			if !strings.Contains(out, "hello yourself") {
				t.Errorf("%s over TLS: %q", name, out)
			}
		}
		if b, err := os.ReadFile(filepath.Join(p.dir, "lines7001")); err != nil || strings.Contains(string(b), "HTTP") {
			t.Errorf("http = false was asked: %q, %v", b, err)
		}
		if b, err := os.ReadFile(filepath.Join(p.dir, "lines7000")); err != nil || strings.Count(string(b), "HTTP/1.1") != 1 {
			t.Errorf("it was not asked once: %q, %v", b, err)
		}
	})
}
