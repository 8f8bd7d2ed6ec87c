package test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// secureLine is what these tests read of what was inside TLS.
type secureLine struct {
	Protocol, Target, Method string
	Secure                   bool
	Status                   int
	Unknown                  []string
	Client, Server           tapEnd
	Response                 struct {
		Body     string
		Encoding string
	}
}

// decrypted returns the exchanges of HTTP that were decrypted, by their targets.
func decrypted(t *testing.T, text string) map[string]secureLine {
	t.Helper()
	out := map[string]secureLine{}
	for line := range strings.Lines(text) {
		var l secureLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("read a line of lodge tap: %v\n%s", err, line)
		}
		if l.Secure && l.Protocol == "http" {
			out[l.Target] = l
		}
	}
	return out
}

// testdata returns the text of a file.
func testdata(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// certificate makes a certificate and its key in the project's directory.
func (p *project) certificate() {
	p.t.Helper()
	out, err := p.beside(need(p.t, "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
		"-keyout", filepath.Join(p.dir, "key.pem"), "-out", filepath.Join(p.dir, "cert.pem")).CombinedOutput()
	if err != nil {
		p.t.Fatalf("make a certificate: %v\n%s", err, out)
	}
}

// With keylog, what services and commands send by TLS is decrypted without a word to the
// tap, whichever end writes its keys, also those of a project that comes up later; what
// must not write keys stays encrypted.
func TestTapKeysOfProject(t *testing.T) {
	needRoot(t)
	python(t)
	need(t, "node")
	need(t, "curl")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("keyed", "server.py", testdata(t, "keys/server.py"), "server.js", testdata(t, "keys/server.js"), "lodge.toml", `version = 1
keylog = true
[services.py]
command = "`+systemPython+` server.py 8443"
[services.js]
command = "node server.js 8444"
[services.plain]
command = "`+systemPython+` server.py 8445"
keylog = false
`)
	p.certificate()
	p.lodge("up", "-d").ok(t)
	q, _ := p.info()
	home := "https://" + q.Home.String()
	fi, err := os.Lstat(q.KeyLog)
	if err != nil || fi.Mode() != 0o600 {
		t.Fatalf("the key log %q: %v, %v", q.KeyLog, fi, err)
	}
	get := func(url string, args ...string) {
		t.Helper()
		argv := append([]string{"curl", "-sS", "-k", "--noproxy", "*"}, args...)
		if out, err := p.beside(append(argv, url)...).CombinedOutput(); err != nil {
			t.Fatalf("curl %s: %v\n%s", url, err, out)
		}
	}
	tap := p.tap([]string{"curl", "-s", "-k", home + ":8445/ready"}, "--json", "-o", "run.pcapng")
	get(home + ":8443/py")
	get(home+":8443/py12", "--tls-max", "1.2", "--http1.1")
	get(home+":8444/js", "-H", "Accept-Encoding: br")
	get(home + ":8445/none")
	p.lodge("exec", "--", "curl", "-s", "-k", "https://localhost:8445/client").ok(t)
	p.lodge("exec", "--keylog=false", "--", "curl", "-s", "-k", "https://localhost:8445/not").ok(t)
	// A project that comes later, and has no file.
	late := e.project("late")
	late.lodge("exec", "--keylog", "--", "curl", "-s", "-k", home+":8445/late").ok(t)
	tap.signal(syscall.SIGINT)
	r := tap.wait()
	if r.code != 130 {
		t.Fatal(r)
	}
	for name, text := range map[string]string{"live": r.stdout, "read from the file": p.lodge("tap", "-r", "run.pcapng", "--json").ok(t)} {
		got := decrypted(t, text)
		failed := false
		for _, target := range []string{"/py", "/py12", "/js", "/client", "/late"} {
			if got[target].Status != 200 {
				t.Errorf("%s: %s is not decrypted", name, target)
				failed = true
			}
		}
		for _, target := range []string{"/none", "/not", "/ready"} {
			if _, ok := got[target]; ok {
				t.Errorf("%s: %s is decrypted", name, target)
			}
		}
		if js := got["/js"].Response; js.Body != "hello from node\n" || js.Encoding != "br" {
			t.Errorf("%s: the body of /js is %q, %q", name, js.Body, js.Encoding)
		}
		if name == "live" && got["/py"].Server.String() != "keyed/py python3" {
			t.Errorf("the server of /py is %s", got["/py"].Server)
		}
		if failed {
			keys, err := os.ReadFile(q.KeyLog)
			t.Errorf("%s:\n%s\nkey log, %v:\n%s", name, text, err, keys)
		}
		if !strings.Contains(text, "no keys for this connection in the key log") {
			t.Errorf("%s: the connections without keys say nothing of it:\n%s", name, text)
		}
	}
	p.lodge("down").ok(t)
	if _, err := os.Lstat(q.KeyLog); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the key log is left after the project: %v", err)
	}
}

// --keylog lasts until the project is down, whatever is started again meanwhile, and
// nothing is left of a keeper that was killed.
func TestKeyLogAsked(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("asked", "lodge.toml", config("web", systemPython+" -c 'import os, time; print(os.environ.get(\"SSLKEYLOGFILE\"), flush=True); time.sleep(1000)'", `ready = { log = "^(None|/)" }`))
		pid := func() int {
			t.Helper()
			s, _ := p.service("web")
			return s.PID
		}
		p.lodge("up", "-d").ok(t)
		first := pid()
		if q, _ := p.info(); q.KeyLog != "" {
			t.Errorf("there is a key log: %s", q.KeyLog)
		}
		p.lodge("up", "-d", "--keylog").ok(t)
		q, _ := p.info()
		second := pid()
		if second == first || q.KeyLog == "" {
			t.Errorf("web is process %d as before, its key log %q", second, q.KeyLog)
		}
		p.lodge("up", "-d").ok(t)
		if pid() != second {
			t.Error("up without --keylog has restarted web")
		}
		p.lodge("restart").ok(t)
		if third := pid(); third == second {
			t.Error("web is not restarted")
		}
		if text := p.lodge("logs", "web").ok(t); strings.Count(text, q.KeyLog) != 2 || strings.Count(text, "None") != 1 {
			t.Errorf("web says %s, the key log is %s", text, q.KeyLog)
		}
		q, _ = p.info()
		if err := syscall.Kill(q.KeeperPID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string {
			p.lodge("ls").ok(t)
			if _, err := os.Lstat(q.KeyLog); !errors.Is(err, os.ErrNotExist) {
				return "the key log is left after the keeper was killed"
			}
			return ""
		})
	})
}

// HTTPS at a name ends in the user's daemon, which tells a tap its keys: what a browser
// sends is shown beside what the service gets. A service that speaks HTTPS itself is seen
// twice.
func TestTapNames(t *testing.T) {
	needRoot(t)
	python(t)
	need(t, "curl")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("shown", "index.html", "hello", "server.py", testdata(t, "keys/server.py"), "lodge.toml",
		config("web", systemPython+" -m http.server 8000", "[services.safe]", `command = "`+systemPython+` server.py 8443"`))
	p.certificate()
	p.lodge("up", "-d").ok(t)
	ca := e.authority()
	web, safe := p.urlOf("web"), p.urlOf("safe")
	q, _ := p.info()
	tap := p.tap([]string{"curl", "-s", "http://" + q.Home.String() + ":8000/ready"}, "--json")
	for url, args := range map[string][]string{web + "/h2": {"--http2"}, web + "/h1": {"--http1.1"}, safe + "/safe": nil} {
		e.browse(ca, url, args...)
	}
	tap.signal(syscall.SIGINT)
	r := tap.wait()
	if r.code != 130 {
		t.Fatal(r)
	}
	want := map[string]bool{
		"true curl lodged /h2":                 true,
		"true curl lodged /h1":                 true,
		"true curl lodged /safe":               true,
		"false lodged shown/web python3 /h2":   true,
		"false lodged shown/web python3 /h1":   true,
		"true lodged shown/safe python3 /safe": true,
	}
	for line := range strings.Lines(r.stdout) {
		var l secureLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		secure := "false "
		if l.Secure {
			secure = "true "
		}
		delete(want, secure+l.Client.String()+" "+l.Server.String()+" "+l.Target)
	}
	if len(want) > 0 {
		t.Errorf("not seen: %v\n%s", want, r.stdout)
	}
}
