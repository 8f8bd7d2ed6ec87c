package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// unixServer is a server of HTTP at a Unix socket, at a path or, with @, an abstract one.
// Its answers to /large are long.
const unixServer = `
import http.server, os, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"x" * 3000000 if self.path == "/large" else b"hello\n"
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def address_string(self):
        return "unix"
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
name = sys.argv[1]
Server("\0" + name[1:] if name.startswith("@") else name, Handler).serve_forever()
`

// rows are the records that are neither of what asks whether a server is there, also in the
// middle, nor of what lodge's own programs say to each other.
func rows(list []tapLine) (out []string) {
	for _, l := range list {
		if l.Target == "/ready" || l.Method == "COMMAND" || l.Method == "HELLO" || l.Method == "CLIENT" || strings.Contains(l.Target, "ping") ||
			l.Protocol == "unknown" || underWay([]tapLine{l}) > 0 {
			continue
		}
		text := l.String()
		if l.Kind == "failure" {
			text = fmt.Sprintf("%s -> %s", l.Client, l.Failure)
		}
		if l.Transport == "unix" {
			text += " at " + filepath.Base(l.Server.Path)
		}
		out = append(out, text)
	}
	return out
}

// Requests at Unix sockets are seen with both processes, and what is written is read again
// as the same.
func TestTapUnix(t *testing.T) {
	needRoot(t)
	python(t)
	need(t, "curl")
	need(t, "redis-server")
	need(t, "redis-cli")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("unix", "server.py", unixServer, "lodge.toml",
		config("web", systemPython+" server.py web.sock")+`[services.db]
command = "redis-server --port 0 --unixsocket db.sock --save ''"
`)
	p.lodge("up", "-d").ok(t)
	web, db := filepath.Join(p.dir, "web.sock"), filepath.Join(p.dir, "db.sock")
	abstract := fmt.Sprintf("lodge-test-%d", os.Getpid())
	background(t, e.beside(systemPython, filepath.Join(p.dir, "server.py"), "@"+abstract))
	for _, ask := range [][]string{
		{"curl", "-s", "--unix-socket", web, "http://web/ready"}, {"curl", "-s", "--abstract-unix-socket", abstract, "http://web/ready"}, {"redis-cli", "-s", db, "ping"},
	} {
		eventually(t, func() string {
			if out, err := e.beside(ask...).CombinedOutput(); err != nil {
				return fmt.Sprintf("%v: %v: %s", ask, err, out)
			}
			return ""
		})
	}
	tap := p.tap([]string{"curl", "-s", "--unix-socket", web, "http://web/ready"}, "--unix", "--json", "-o", "run.pcapng", "-o", "run.jsonl", "-o", "run.har")
	run := func(argv ...string) {
		t.Helper()
		if out, err := e.beside(argv...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %.500s", argv, err, out)
		}
	}
	run("curl", "-s", "--unix-socket", web, "http://web/index.html?a=1")
	run("curl", "-s", "-o", filepath.Join(p.dir, "large"), "--unix-socket", web, "http://web/large")
	run("redis-cli", "-s", db, "set", "k", "v")
	run("curl", "-s", "--abstract-unix-socket", abstract, "http://web/missing")
	if out, err := e.beside("curl", "-s", "--unix-socket", filepath.Join(p.dir, "none.sock"), "http://web/").CombinedOutput(); err == nil {
		t.Fatalf("curl of a path that does not exist: %s", out)
	}
	eventually(t, func() string {
		if text := tap.stdout(); !strings.Contains(text, "absent") || !strings.Contains(text, "/missing") || !strings.Contains(text, "/large") {
			return "not seen: " + text
		}
		return ""
	})
	tap.signal(syscall.SIGINT)
	r := tap.wait()
	if r.code != 130 {
		t.Fatal(r)
	}
	list, account := tapLines(t, r.stdout)
	got := rows(list)
	want := []string{
		"curl -> unix/web python3: http GET /index.html?a=1 = 200 at web.sock",
		"curl -> unix/web python3: http GET /large = 200 at web.sock",
		"redis-cli -> unix/db redis-server: redis SET k v = OK at db.sock",
		"curl -> python3: http GET /missing = 404 at @" + abstract,
		"curl -> absent at none.sock",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	u := account.Unix
	sum := u.Delivered.Packets
	for _, c := range u.Lost {
		sum += c.Packets
	}
	for _, c := range u.LeftOut { // looks for nscd, of the programs that were run
		sum += c.Packets
	}
	// The large answer is one call, of which not all is copied: that is told.
	if u.Seen.Packets != sum || u.Seen.Packets == 0 || u.Lost["too_large"].Packets != 1 || len(u.Lost) != 1 || account.Complete {
		t.Errorf("%+v, complete %v", u, account.Complete)
	}
	if file := p.read("run.jsonl"); file != r.stdout {
		t.Errorf("run.jsonl is not what was printed:\n%s", file)
	}
	if archive := p.read("run.har"); !strings.Contains(archive, "http://web/index.html?a=1") {
		t.Error("run.har has not what was asked")
	}
	again, _ := tapLines(t, p.lodge("tap", "-r", "run.pcapng", "--json").ok(t)+"\n")
	// What comes behind a gap is told later there.
	second := rows(again)
	slices.Sort(second)
	slices.Sort(got)
	if !slices.Equal(second, got) {
		t.Errorf("read from the file:\n%s", strings.Join(second, "\n"))
	}
	if text := p.lodge("tap", "-r", "run.jsonl", "unix", "web.sock").ok(t); !strings.Contains(text, "GET /index.html?a=1") {
		t.Errorf("read from its lines: %s", text)
	}
	text := p.lodge("tap", "-r", "run.pcapng", "unix", "web.sock", "method=GET", "not", "ready").ok(t)
	if n := strings.Count(text, "\n") + 1; n != 2 || !strings.Contains(text, "unix/web unix:"+web) {
		t.Errorf("filtered:\n%s", text)
	}
	if text := p.lodge("tap", "-r", "run.pcapng", "--stat").ok(t); !strings.Contains(text, "unix/web") {
		t.Errorf("statistics:\n%s", text)
	}
	if r := p.lodge("tap", "diff", "run.jsonl", "run.pcapng"); r.code != 0 && !strings.Contains(r.stdout, "not complete") {
		t.Error(r)
	}
}

// psql at PostgreSQL's Unix socket: the backend that answers is named, and the statement.
func TestTapUnixPostgreSQL(t *testing.T) {
	needRoot(t)
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(dirs) == 0 {
		t.Skip("needs the server of PostgreSQL (hint: sh test/install)")
	}
	pg := dirs[len(dirs)-1]
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("pg", "lodge.toml", config("web", "sleep 1000000"))
	sock, data := filepath.Join(p.dir, "s"), filepath.Join(p.dir, "data")
	for _, d := range []string{sock, data} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(d, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	as := []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "-C", data}
	if out, err := e.beside(append(as, pg+"/initdb", "-D", data, "-A", "trust", "-U", "me", "--no-sync", "--locale=C", "-E", "UTF8")...).CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	background(t, e.beside(append(as, pg+"/postgres", "-D", data, "-k", sock, "-h", "")...))
	psql := func(statement string) *exec.Cmd {
		return e.beside(append(as, pg+"/psql", "-X", "-h", sock, "-U", "me", "-d", "postgres", "-c", statement)...)
	}
	for deadline := time.Now().Add(commandLimit); ; {
		out, err := psql("select 'ready'").CombinedOutput()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("psql: %v: %s", err, out)
		}
	}
	tap := p.tap(psql("select 'ready'").Args, "--unix", "--json", "-o", "run.pcapng", "postgresql")
	if out, err := psql("select 1 + 2 as three").CombinedOutput(); err != nil {
		t.Fatalf("psql: %v: %s", err, out)
	}
	eventually(t, func() string {
		if text := tap.stdout(); !strings.Contains(text, "as three") {
			return "not seen: " + text
		}
		return ""
	})
	tap.signal(syscall.SIGINT)
	r := tap.wait()
	list, account := tapLines(t, r.stdout)
	again, _ := tapLines(t, p.lodge("tap", "-r", "run.pcapng", "--json", "postgresql").ok(t)+"\n")
	for _, l := range [][]tapLine{list, again} {
		found := slices.DeleteFunc(slices.Clone(l), func(l tapLine) bool { return !strings.Contains(l.Target, "as three") })
		if len(found) != 1 || found[0].Client.String() != "psql" || found[0].Server.String() != "postgres" || found[0].Answer != "SELECT 1" ||
			found[0].Server.Path != sock+"/.s.PGSQL.5432" {
			t.Errorf("got %+v", found)
		}
	}
	if n := account.Records; !account.Complete || n.Attributed+underWay(list) < n.Ends {
		t.Errorf("the account is %s", r.stdout[strings.LastIndex(strings.TrimSpace(r.stdout), "\n")+1:])
	}
}
