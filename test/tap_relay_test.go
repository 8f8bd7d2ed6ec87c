package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// relay starts `lodge tap --relay`, and returns when the homes that are up are tapped.
func (p *project) relay(args ...string) *process {
	p.t.Helper()
	tap := p.start(append([]string{"tap", "--relay"}, args...)...)
	eventually(p.t, func() string {
		if text := tap.stderr(); !strings.Contains(text, "go through a relay") {
			return "lodge tap does not begin: " + text
		}
		return ""
	})
	return tap
}

// An ordinary user without a helper taps services in a home: both processes are known,
// what is written is read again as the same, and all is accounted for.
func TestTapRelay(t *testing.T) {
	python(t)
	need(t, "curl")
	need(t, "redis-server")
	need(t, "redis-cli")
	t.Parallel()
	e := newEnv(t, seccomp)
	p := e.project("shop", "index.html", "hello", "lodge.toml",
		config("web", systemPython+" -m http.server 8000")+`[services.db]
command = "redis-server --port 6379 --save ''"
`)
	p.up("-d", "--engine", "seccomp")
	tap := p.relay("--json", "-o", "run.pcapng", "-o", "run.jsonl")
	p.lodge("exec", "--", "curl", "-s", "localhost:8000/index.html?a=1").ok(t)
	p.lodge("exec", "--", "redis-cli", "set", "k", "v").ok(t)
	p.lodge("exec", "--", "curl", "-s", "--user", "me:hidden", "localhost:8000/missing").ok(t)
	if r := p.lodge("exec", "--", "curl", "-s", "http://127.0.0.1:9/"); r.code != 7 {
		t.Fatalf("curl of a port on which nothing listens: %v", r)
	}
	tap.signal(syscall.SIGINT)
	r := tap.wait()
	if r.code != 130 {
		t.Fatal(r)
	}
	list, account := tapLines(t, r.stdout)
	var got []string
	for _, l := range list {
		if l.Method != "COMMAND" {
			got = append(got, l.String())
		}
	}
	want := []string{
		"shop/curl curl -> shop/web python3: http GET /index.html?a=1 = 200",
		"shop/redis-cli redis-cli -> shop/db redis-server: redis SET k v = OK",
		"shop/curl curl -> shop/web python3: http GET /missing = 404",
		"shop/curl curl -> :9 refused",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), r.stderr)
	}
	if n := account.Records; n.Ends == 0 || n.Attributed != n.Ends {
		t.Errorf("processes are known at %d of %d ends\n%s", n.Attributed, n.Ends, r.stdout)
	}
	sum := account.Capture.Delivered.Packets
	for _, m := range []map[string]tapCount{account.Capture.LeftOut, account.Capture.Lost} {
		for _, c := range m {
			sum += c.Packets
		}
	}
	if seen := account.Capture.Seen.Packets; seen != sum || !account.Complete {
		t.Errorf("of %d pieces %d are accounted for, complete: %v", seen, sum, account.Complete)
	}
	if strings.Contains(r.stdout, "hidden") || strings.Contains(r.stdout, "bWU6aGlkZGVu") {
		t.Error("a password is shown")
	}
	if file := p.read("run.jsonl"); file != r.stdout {
		t.Errorf("run.jsonl is not what was printed:\n%s", file)
	}
	if fi, err := os.Stat(filepath.Join(p.dir, "run.pcapng")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("run.pcapng: %v", err)
	}
	again, _ := tapLines(t, p.lodge("tap", "-r", "run.pcapng", "--json").ok(t)+"\n")
	same := func(list []tapLine) (out []string) {
		for _, l := range list {
			out = append(out, l.String())
		}
		return out
	}
	if first, second := same(list), same(again); !slices.Equal(first, second) {
		t.Errorf("read from the file:\n%s\nlive:\n%s", strings.Join(second, "\n"), strings.Join(first, "\n"))
	}
}

// Without root, without a helper and without --relay, the error names what helps.
func TestTapRelayWithoutHomes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, seccomp)
	if e.uid == 0 {
		t.Skip("root needs no helper that is installed")
	}
	if _, err := os.Stat("/run/lodge-helper.sock"); err == nil {
		t.Skip("this machine has a helper")
	}
	p := e.project("shop")
	r := p.lodge("tap")
	if r.code == 0 || !strings.Contains(r.stderr, "sudo lodge setup") || !strings.Contains(r.stderr, "lodge tap --relay") {
		t.Error(r)
	}
	if r := p.lodge("tap", "--relay", "-r", "x.pcapng"); r.code != 2 {
		t.Error(r)
	}
	tap := p.relay()
	tap.signal(syscall.SIGINT)
	if r := tap.wait(); r.code != 130 || !strings.Contains(r.stderr, "no project is up") {
		t.Error(r)
	}
}

// pinger keeps a connection, and says what it got by it for each line that it reads.
const pinger = `import socket, sys
c = socket.create_connection(('localhost', 6379))
for line in sys.stdin:
    c.sendall(b'PING\r\n'); print(c.recv(100).decode().strip(), flush=True)
`

// A connection that goes through the relay outlives the tap and the daemon, and a project
// that comes up later is tapped too.
func TestTapRelayKilled(t *testing.T) {
	python(t)
	need(t, "redis-server")
	need(t, "redis-cli")
	t.Parallel()
	e := newEnv(t, seccomp)
	idle := e.project("idle")
	first := idle.relay("--json")
	p := e.project("shop", "pinger.py", pinger, "lodge.toml", config("db", "redis-server --port 6379 --save ''"))
	p.up("-d", "--engine", "seccomp")
	eventually(t, func() string {
		p.lodge("exec", "--", "redis-cli", "get", "k").ok(t)
		if out := first.stdout(); !strings.Contains(out, `"target":"k"`) {
			return fmt.Sprintf("the tap that ran before does not see the project: %s, %s", out, first.stderr())
		}
		return ""
	})
	cmd := e.command(t.Context(), p.dir, e.bin, "exec", "--", systemPython, "pinger.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	client := background(t, cmd)
	said := 0
	ping := func(when string) {
		t.Helper()
		if _, err := fmt.Fprintln(in, "go"); err != nil {
			t.Fatal(err)
		}
		said++
		eventually(t, func() string {
			if n := strings.Count(client.stdout(), "+PONG"); n != said {
				return fmt.Sprintf("%s: %d answers, not %d: %s", when, n, said, client.stderr())
			}
			return ""
		})
	}
	ping("at first")
	eventually(t, func() string {
		if out := first.stdout(); !strings.Contains(out, `"method":"PING"`) {
			return "the tap does not see it: " + out
		}
		return ""
	})
	kill9(t, e.daemon())
	ping("without the daemon")
	kill9(t, first.cmd.Process.Pid)
	ping("without the tap")
	second := p.relay("--json")
	p.lodge("exec", "--", "redis-cli", "get", "second").ok(t)
	ping("beside another tap")
	second.signal(syscall.SIGINT)
	list, account := tapLines(t, second.wait().stdout)
	if !account.Complete || !slices.ContainsFunc(list, func(l tapLine) bool {
		return l.Method == "GET" && l.Server.Project == "shop" && l.Server.Service == "db"
	}) {
		t.Errorf("the second tap has %v, complete: %v", list, account.Complete)
	}
	if slices.ContainsFunc(list, func(l tapLine) bool { return l.Method == "PING" }) {
		t.Errorf("a connection of another tap is seen: %v", list)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if r := client.wait(); r.code != 0 {
		t.Error(r)
	}
}

// Two projects are compared without root.
func TestTapDiffRelay(t *testing.T) {
	need(t, "redis-server")
	need(t, "redis-cli")
	t.Parallel()
	e := newEnv(t, seccomp)
	pair := e.pair("lodge.toml", config("db", "redis-server --port 6379 --save ''"))
	for _, p := range pair {
		p.up("-d", "--engine", "seccomp")
	}
	var names []string
	for _, p := range e.ls().Projects {
		names = append(names, p.Label)
	}
	if len(names) != 2 {
		t.Fatalf("projects %q", names)
	}
	d := pair[0].start("tap", "diff", "--relay", names[0], names[1], "--json")
	eventually(t, func() string {
		if text := d.stderr(); !strings.Contains(text, "comparing") {
			return "lodge tap diff does not begin: " + text
		}
		return ""
	})
	for _, p := range pair {
		p.lodge("exec", "--", "redis-cli", "get", "a").ok(t)
	}
	pair[0].lodge("exec", "--", "redis-cli", "del", "planted").ok(t)
	d.signal(syscall.SIGINT)
	if r := d.wait(); r.code != 1 || !strings.Contains(r.stdout, "planted") && !strings.Contains(r.stdout, "DEL") || strings.Contains(r.stdout, `"method": "GET"`) {
		t.Error(r)
	}
}
