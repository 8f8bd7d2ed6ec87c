package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// authority writes the certificate of this lodge's authority to a file that
// everybody may read, and gives its path.
func (e *env) authority() string {
	e.t.Helper()
	path := filepath.Join(e.base, "authority.pem")
	pem := e.lodge(e.base, "trust", "--pem").ok(e.t)
	if err := os.WriteFile(path, []byte(pem+"\n"), 0o644); err != nil {
		e.t.Fatal(err)
	}
	return path
}

// urlOf returns the HTTPS name of a service, as ls shows it.
func (p *project) urlOf(service string) string {
	p.t.Helper()
	s, ok := p.service(service)
	if !ok || s.URL == "" {
		p.t.Fatalf("ls shows no name of %s/%s: %+v", p.name, service, s)
	}
	return s.URL
}

// browse asks as a person outside would and gives status, version of HTTP, and
// body. It resolves names as curl does: those below localhost by itself.
func (e *env) browse(ca, url string, args ...string) (status, version, body string) {
	e.t.Helper()
	argv := append([]string{need(e.t, "curl"), "--noproxy", "*", "-sS", "--cacert", ca, "-w", "\n%{http_code} %{http_version}"}, args...)
	out := e.as(e.environ, e.base, append(argv, url)...).ok(e.t)
	i := strings.LastIndexByte(out, '\n')
	_, err := fmt.Sscan(out[i+1:], &status, &version)
	if err != nil {
		e.t.Fatalf("%s: %v\n%s", url, err, out)
	}
	return status, version, out[:max(i, 0)]
}

func TestNames(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("index.html", "page of @ALONE@", "env.sh", "env | grep -E '^(LODGE|API)_' | sort; exec "+peerBin+" http :8101 'sees @ALONE@'",
			"lodge.toml", `version = 1
default = "web"
[services.api]
command = "`+peerBin+` http 127.0.0.1:4000 'api of @ALONE@'"
[services.web]
command = "`+systemPython+` -m http.server --bind 0.0.0.0 8100"
[services.six]
command = "`+peerBin+` http [::]:8102 'six of @ALONE@'"
[services.told]
command = "sh env.sh"
needs = ["api"]
env = { FROM_FILE = "${api.url}/x" }
[services.down]
command = "sh -c 'echo last words; exit 3'"
restart = "never"
ready = false
[services.lazy]
command = "`+peerBin+` http 127.0.0.1:4001 'lazy of @ALONE@'"
start = "on-request"
`)
		for _, p := range ps {
			p.lodge("up", "-d") // one of them fails, as it should
		}
		ca := e.authority()
		for _, p := range ps {
			q, _ := p.info()
			if q.Label != p.name || !strings.HasPrefix(q.URL, "https://"+p.name+".localhost") {
				t.Errorf("%s is called %q, %q", p.name, q.Label, q.URL)
			}
			web := p.urlOf("web")
			for url, want := range map[string]string{
				web + "/": "page of " + p.name,
				strings.Replace(web, "https://", "https://any.thing.", 1) + "/": "page of " + p.name,
				q.URL + "/":                             "page of " + p.name,
				p.urlOf("api") + "/":                    "api of " + p.name,
				p.urlOf("six") + "/":                    "six of " + p.name,
				p.urlOf("lazy") + "/":                   "lazy of " + p.name,
				p.lodge("open", "--print", "api").ok(t): "api of " + p.name,
			} {
				status, version, body := e.browse(ca, url)
				if status != "200" || version != "2" || !strings.Contains(body, want) {
					t.Errorf("%s: %s, HTTP/%s, %q; want %q", url, status, version, body, want)
				}
			}
			// Plain HTTP serves the same; where the port is not 443 it is one for both.
			plain := strings.Replace(web, "https://", "http://", 1)
			if status, version, body := e.browse(ca, plain); status != "200" || version != "1.1" || !strings.Contains(body, "page of "+p.name) {
				t.Errorf("%s: %s, HTTP/%s, %q", plain, status, version, body)
			}
			status, _, body := e.browse(ca, p.urlOf("down"), "-H", "Accept: text/html")
			if status != "502" || !strings.Contains(body, "last words") || !strings.Contains(body, "lodge up down") {
				t.Errorf("the name of a service that is down: %s, %q", status, body)
			}
			if status, _, body = e.browse(ca, strings.Replace(plain, "//web.", "//wbe.", 1)); status != "404" || !strings.Contains(body, "web."+p.name+".localhost") {
				t.Errorf("an unknown name: %s, %q", status, body)
			}
			// No certificate for what nobody registered (RFC 6066, section 3).
			r := e.as(e.environ, e.base, need(t, "curl"), "--noproxy", "*", "-sSk", strings.Replace(web, "//web.", "//wbe.", 1))
			if r.code == 0 || !strings.Contains(r.stderr, "unrecognized name") {
				t.Errorf("an unknown name over TLS: %v", r)
			}
			var told []string
			for l := range strings.SplitSeq(p.lodge("logs", "told").ok(t), "\n") {
				if _, kv, ok := strings.Cut(l, "| "); ok {
					l = kv
				}
				told = append(told, strings.TrimSpace(l))
			}
			for _, want := range []string{"LODGE_URL=" + p.urlOf("told"), "API_PORT=4000", "API_HOST=127.0.0.1", "API_URL=http://127.0.0.1:4000"} {
				if !strings.Contains(strings.Join(told, "\n")+"\n", want+"\n") {
					t.Errorf("service told of %s was not told %s: %q", p.name, want, told)
				}
			}
		}
		// A name of somebody else that leads here (DNS rebinding).
		url := strings.Replace(ps[0].urlOf("web"), "https://", "http://", 1)
		if status, _, body := e.browse(ca, url, "-H", "Host: evil.example"); status != "421" || strings.Contains(body, "page of") {
			t.Errorf("a foreign host: %s, %q", status, body)
		}
		// A page of another site that asks this one.
		for header, want := range map[string]string{"Origin: https://evil.example": "403", "Sec-Fetch-Site: cross-site": "403", "X-Nothing: x": "200"} {
			if status, _, _ := e.browse(ca, ps[0].urlOf("api"), "-X", "POST", "-d", "x", "-H", header); status != want {
				t.Errorf("POST with %s: %s, want %s", header, status, want)
			}
		}
		ps[0].lodge("down").ok(t)
		if status, _, _ := e.browse(ca, url); status != "404" {
			t.Errorf("after down: %s", status)
		}
	})
}

// A project's names come and go with its services, and a client that asks all
// the time sees no failure while others do.
func TestNamesComeAndGo(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		stays := e.project("stays", "lodge.toml", config("web", peerBin+" http :8110 stays"))
		stays.up()
		ca := e.authority()
		url := stays.urlOf("web")
		stop, done := make(chan struct{}), make(chan string, 1)
		go func() {
			n := 0
			for {
				select {
				case <-stop:
					done <- fmt.Sprint(n, " requests")
					return
				default:
				}
				out, err := hostCommand("curl", "--noproxy", "*", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", ca, url).CombinedOutput()
				if err != nil || string(out) != "200" {
					done <- fmt.Sprintf("request %d: %v, %s", n, err, out)
					return
				}
				n++
			}
		}()
		for i := range 5 {
			p := e.project(fmt.Sprint("goes", i), "lodge.toml", config("web", peerBin+" http :8110 goes"))
			p.up()
			if status, _, body := e.browse(ca, p.urlOf("web")); status != "200" || !strings.Contains(body, "goes") {
				t.Errorf("%s: %s, %q", p.name, status, body)
			}
			p.lodge("down").ok(t)
		}
		close(stop)
		if got := <-done; !strings.HasSuffix(got, " requests") {
			t.Error(got)
		}
	})
}

// Names below .test lead to homes: for any protocol on its usual port, with
// nothing in between.
func TestTCPNames(t *testing.T) {
	bin := postgresBin(t)
	need(t, "unshare")
	needRoot(t)
	t.Parallel()
	e := newEnv(t, ebpf)
	hosts := filepath.Join(e.base, "hosts")
	const machine = "127.0.0.1 localhost\n"
	if err := os.WriteFile(hosts, []byte(machine), 0o644); err != nil {
		t.Fatal(err)
	}
	e.environ = append(e.environ, "LODGE_HOSTS="+hosts)
	ps := e.databases(bin)
	for _, p := range ps {
		p.up()
		p.exec(bin+"/psql", "-X", "-h", "localhost", "-U", "me", "-d", "postgres", "-c", "create table who (name text); insert into who values ('"+p.name+"')")
	}
	for _, p := range ps {
		home := p.home("tcp", 5432)
		// The hosts file is the machine's in a mount namespace of the test's own.
		out := e.as(e.environ, e.base, "unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, hosts,
			bin+"/psql", "-X", "-At", "-h", "db."+p.name+".test", "-U", "me", "-d", "postgres", "-c",
			"select name, inet_client_port() from who", "-c", `\! ss -tnpH "dst `+home.Addr().String()+` or src `+home.Addr().String()+`"`).ok(t)
		row, sockets, _ := strings.Cut(out, "\n")
		name, port, _ := strings.Cut(row, "|")
		if name != p.name {
			t.Errorf("psql -h db.%s.test reads %q", p.name, row)
		}
		// Both ends of the connection, while it is open: no proxy is in it.
		client, server := "127.0.0.1:"+port, home.String()
		if !hasLine(sockets, client, server, `("psql"`) || !hasLine(sockets, server, client, `("postgres"`) {
			t.Errorf("psql -h db.%s.test: want %s (psql) connected to %s (postgres)\n%s", p.name, client, server, sockets)
		}
	}
	e.lodge(e.base, "down", "--all").ok(t)
	eventually(t, func() string {
		if b, err := os.ReadFile(hosts); err != nil || string(b) != machine {
			return fmt.Sprintf("the hosts file is not as it was: %q, %v", b, err)
		}
		return ""
	})
}

// hasLine reports whether some line of text has all the words, in this order.
func hasLine(text string, words ...string) bool {
	for l := range strings.SplitSeq(text, "\n") {
		rest, ok := l, true
		for _, w := range words {
			if _, rest, ok = strings.Cut(rest, w); !ok {
				break
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// Without a hosts file that lodge may change, what exec starts has the names.
func TestNamesInsideExec(t *testing.T) {
	need(t, "redis-server")
	need(t, "redis-cli")
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("lodge.toml", config("cache", "redis-server --port 6379 --save '' --appendonly no"))
		for _, p := range ps {
			p.up()
			p.exec("redis-cli", "set", "who", p.name)
		}
		before, err := os.ReadFile("/etc/hosts")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ps {
			for _, other := range ps {
				if got := p.exec("redis-cli", "-h", "cache."+other.name+".test", "get", "who"); got != other.name {
					t.Errorf("cache.%s.test, seen inside %s: %q", other.name, p.name, got)
				}
			}
		}
		if after, err := os.ReadFile("/etc/hosts"); err != nil || string(after) != string(before) {
			t.Error("the machine's hosts file changed", err)
		}
	})
}
