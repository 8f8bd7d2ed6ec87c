package test

import (
	"bufio"
	"encoding/json"
	"errors"
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

// tapLine is what these tests read of a line of `lodge tap --json`.
type tapLine struct {
	Kind, Protocol, Method, Target, Answer, Failure string
	Status                                          int
	Client, Server                                  tapEnd
	Transport                                       string
	Complete                                        bool
	Unknown                                         []string
	Capture, Unix                                   struct {
		Seen, Delivered tapCount
		LeftOut         map[string]tapCount `json:"left_out"`
		Lost            map[string]tapCount
	}
	TLS     struct{ Probes, Seen, Delivered int }
	Records struct{ Exchanges, Failures, Ends, Attributed, Dropped int }
}

type tapCount struct{ Packets int }

type tapEnd struct {
	IP               string
	Port             int
	Path             string
	Project, Service string
	Processes        []struct {
		PID  int
		Name string
	}
}

func (e tapEnd) String() string {
	name := "?"
	if len(e.Processes) > 0 {
		name = e.Processes[0].Name
	}
	if e.Service != "" {
		name = e.Project + "/" + e.Service + " " + name
	}
	return name
}

func (l tapLine) String() string {
	switch {
	case l.Kind == "failure":
		return fmt.Sprintf("%s -> :%d %s", l.Client, l.Server.Port, l.Failure)
	case l.Status != 0:
		return fmt.Sprintf("%s -> %s: %s %s %s = %d", l.Client, l.Server, l.Protocol, l.Method, l.Target, l.Status)
	}
	return fmt.Sprintf("%s -> %s: %s %s %s = %s", l.Client, l.Server, l.Protocol, l.Method, l.Target, l.Answer)
}

// tapLines reads the output of `lodge tap --json`. The last line is the account.
func tapLines(t *testing.T, text string) (list []tapLine, account tapLine) {
	t.Helper()
	for line := range strings.Lines(text) {
		var l tapLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("read a line of lodge tap: %v\n%s", err, line)
		}
		list = append(list, l)
	}
	if len(list) == 0 || list[len(list)-1].Kind != "account" {
		t.Fatalf("there is no account at the end of\n%s", text)
	}
	return list[:len(list)-1], list[len(list)-1]
}

// underWay returns how many requests were sent before the tap began: their processes may
// have ended before they could be known.
func underWay(list []tapLine) (n int) {
	for _, l := range list {
		if slices.ContainsFunc(l.Unknown, func(text string) bool { return strings.Contains(text, "before the recording began") }) {
			n++
		}
	}
	return n
}

// tap starts `lodge tap`, and returns when it reads packets: ask is a command that makes
// a request, with which that is found out.
func (p *project) tap(ask []string, args ...string) *process {
	p.t.Helper()
	tap := p.start(append([]string{"tap"}, args...)...)
	for deadline := time.Now().Add(commandLimit); tap.stdout() == ""; {
		select {
		case <-tap.done:
			p.t.Fatalf("lodge tap has ended: %s", tap.stderr())
		default:
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("lodge tap sees nothing: %s", tap.stderr())
		}
		if out, err := p.beside(ask...).CombinedOutput(); err != nil {
			p.t.Fatalf("%s: %v\n%s", strings.Join(ask, " "), err, out)
		}
	}
	return tap
}

// Requests inside a home and from outside are seen with both processes; what is written
// is read again as the same.
func TestTap(t *testing.T) {
	needRoot(t)
	python(t)
	need(t, "curl")
	need(t, "redis-server")
	need(t, "redis-cli")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("shop", "index.html", "hello", "lodge.toml",
		config("web", systemPython+" -m http.server 8000")+`[services.db]
command = "redis-server --port 6379 --save ''"
`)
	p.lodge("up", "-d").ok(t)
	home := e.ls().Projects[0].Home
	tap := p.tap([]string{"curl", "-s", "http://" + home.String() + ":8000/ready"}, "--json", "-o", "run.pcapng", "-o", "run.jsonl")
	p.lodge("exec", "--", "curl", "-s", "localhost:8000/index.html?a=1").ok(t)
	p.lodge("exec", "--", "redis-cli", "set", "k", "v").ok(t)
	p.lodge("exec", "--", "curl", "-s", "--user", "me:hidden", "localhost:8000/missing").ok(t)
	if out, err := e.beside("curl", "-s", "http://127.0.0.1:9/").CombinedOutput(); err == nil {
		t.Fatalf("curl of a port on which nothing listens: %s", out)
	}
	tap.signal(syscall.SIGINT)
	r := tap.wait()
	if r.code != 130 {
		t.Fatal(r)
	}
	list, account := tapLines(t, r.stdout)
	var got []string
	for _, l := range list {
		if l.Target != "/ready" && l.Method != "COMMAND" {
			got = append(got, l.String())
		}
	}
	want := []string{
		"shop/curl curl -> shop/web python3: http GET /index.html?a=1 = 200",
		"shop/redis-cli redis-cli -> shop/db redis-server: redis SET k v = OK",
		"shop/curl curl -> shop/web python3: http GET /missing = 404",
		"curl -> :9 refused",
	}
	for i, w := range want {
		if i >= len(got) || got[i] != w {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if n := account.Records; n.Ends == 0 || n.Attributed+underWay(list) < n.Ends {
		t.Errorf("processes are known at %d of %d ends\n%s", n.Attributed, n.Ends, r.stdout)
	}
	sum := account.Capture.Delivered.Packets
	for _, m := range []map[string]tapCount{account.Capture.LeftOut, account.Capture.Lost} {
		for _, c := range m {
			sum += c.Packets
		}
	}
	if seen := account.Capture.Seen.Packets; seen != sum || !account.Complete {
		t.Errorf("of %d packets %d are accounted for, complete: %v", seen, sum, account.Complete)
	}
	if strings.Contains(r.stdout, "hidden") || strings.Contains(r.stdout, "bWU6aGlkZGVu") {
		t.Error("a password is shown")
	}
	if file := p.read("run.jsonl"); file != r.stdout {
		t.Errorf("run.jsonl is not what was printed:\n%s", file)
	}
	fi, err := os.Stat(filepath.Join(p.dir, "run.pcapng"))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("run.pcapng: %v, %v", fi.Mode(), err)
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

// A reader of standard output that does not read costs neither the files nor the programs
// anything, and Ctrl-C ends the run with whole files and an account.
func TestTapUnread(t *testing.T) {
	needRoot(t)
	python(t)
	need(t, "redis-server")
	need(t, "redis-benchmark")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("unread", "lodge.toml", config("db", "redis-server --port 6379 --save ''"))
	p.lodge("up", "-d").ok(t)
	home := e.ls().Projects[0].Home.String()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }() // never read
	cmd := e.command(t.Context(), p.dir, e.bin, "tap", "-v", "-o", "run.jsonl", "-o", "run.pcapng")
	cmd.Stdout = w
	tap := background(t, cmd)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(commandLimit); !strings.Contains(p.read("run.jsonl"), "redis"); {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is in run.jsonl: %s", tap.stderr())
		}
		if out, err := e.beside("redis-benchmark", "-h", home, "-q", "-t", "set", "-n", "5000", "-d", "100").CombinedOutput(); err != nil {
			t.Fatalf("redis-benchmark: %v\n%s", err, out)
		}
	}
	tap.signal(syscall.SIGINT)
	if res := tap.wait(); res.code != 130 || !strings.Contains(res.stderr, "the output was not read in time") {
		t.Error(res)
	}
	list, account := tapLines(t, p.read("run.jsonl"))
	if account.Records.Dropped == 0 || account.Complete || len(list) <= account.Records.Dropped {
		t.Errorf("%d lines, dropped %d, complete %v", len(list), account.Records.Dropped, account.Complete)
	}
	again, _ := tapLines(t, p.lodge("tap", "-r", "run.pcapng", "--json").ok(t)+"\n")
	if len(again) != len(list) {
		t.Errorf("%d lines in run.jsonl, %d of run.pcapng", len(list), len(again))
	}
}

// A reader that has had enough, such as head, ends the tap, whose files are whole.
func TestTapReaderGone(t *testing.T) {
	needRoot(t)
	python(t)
	need(t, "redis-server")
	need(t, "redis-benchmark")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("headed", "lodge.toml", config("db", "redis-server --port 6379 --save ''"))
	p.lodge("up", "-d").ok(t)
	home := e.ls().Projects[0].Home.String()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := e.command(t.Context(), p.dir, e.bin, "tap", "--json", "-o", "run.jsonl", "-o", "run.pcapng")
	cmd.Stdout = w
	tap := background(t, cmd)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	use := func() {
		if out, err := e.beside("redis-benchmark", "-h", home, "-q", "-t", "set", "-n", "2000").CombinedOutput(); err != nil {
			t.Fatalf("redis-benchmark: %v\n%s", err, out)
		}
	}
	read := make(chan error, 1)
	go func() {
		_, err := bufio.NewReader(r).ReadString('\n')
		read <- errors.Join(err, r.Close())
	}()
	for begun := false; !begun; {
		select {
		case err := <-read:
			if err != nil {
				t.Fatal(err)
			}
			begun = true
		default:
			use()
		}
	}
	use() // what is written from now on has no reader
	if res := tap.wait(); res.code != 0 {
		t.Error(res)
	}
	list, _ := tapLines(t, p.read("run.jsonl"))
	again, _ := tapLines(t, p.lodge("tap", "-r", "run.pcapng", "--json").ok(t)+"\n")
	if len(list) == 0 || len(again) != len(list) {
		t.Errorf("%d lines in run.jsonl, %d of run.pcapng", len(list), len(again))
	}
}

// Without its helper a tap sees nothing more: it ends, and does not say that nothing was
// lost.
func TestTapHelperKilled(t *testing.T) {
	needRoot(t)
	need(t, "redis-server")
	need(t, "redis-cli")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("killed", "lodge.toml", config("db", "redis-server --port 6379 --save ''"))
	p.lodge("up", "-d").ok(t)
	home := e.ls().Projects[0].Home.String()
	tap := p.tap([]string{"redis-cli", "-h", home, "ping"}, "--json", "-o", "run.pcapng")
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", tap.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var children []string
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err == nil { // else the thread has ended
			children = append(children, strings.Fields(string(b))...)
		}
	}
	killed := false
	for _, q := range e.processes() {
		if slices.Contains(children, itoa(q.pid)) && strings.Contains(q.String(), "lodge-helper") {
			killed = true
			if err := syscall.Kill(q.pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !killed {
		t.Fatalf("the tap has no helper of its own: %v", e.processes())
	}
	r := tap.wait()
	if r.code != 1 || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "helper has gone") || !strings.Contains(r.stderr, "hint") {
		t.Error(r)
	}
	if list, account := tapLines(t, r.stdout); account.Complete || len(list) == 0 {
		t.Errorf("%d records, complete %v", len(list), account.Complete)
	}
}

// What curl sends by TLS is decrypted with the key log that it writes, which is not there
// when the tap begins; the file of packets has the keys, for tap -r and for tshark.
func TestTapKeyLog(t *testing.T) {
	needRoot(t)
	need(t, "curl")
	need(t, "openssl")
	need(t, "tshark")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	p := e.project("safe", "lodge.toml",
		config("web", "openssl s_server -accept 8443 -cert cert.pem -key key.pem -HTTP -quiet"))
	if out, err := p.beside("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
		"-keyout", filepath.Join(p.dir, "key.pem"), "-out", filepath.Join(p.dir, "cert.pem")).CombinedOutput(); err != nil {
		t.Fatalf("make a certificate: %v\n%s", err, out)
	}
	for _, name := range []string{"ready", "1.2", "1.3"} {
		p.write(name, "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
	}
	p.lodge("up", "-d").ok(t)
	home := e.ls().Projects[0].Home
	keys := filepath.Join(p.dir, "keys.log")
	tap := p.tap([]string{"curl", "-s", "-k", "https://" + home.String() + ":8443/ready"}, "--keylog", "keys.log", "--json", "-o", "run.pcapng")
	for _, version := range []string{"1.2", "1.3"} {
		p.lodge("exec", "--", "env", "SSLKEYLOGFILE="+keys, "curl", "-s", "-k", "--http1.1", "--tls-max", version, "https://localhost:8443/"+version).ok(t)
	}
	tap.signal(syscall.SIGINT)
	r := tap.wait()
	if r.code != 130 {
		t.Fatal(r)
	}
	for _, out := range []string{r.stdout, p.lodge("tap", "-r", "run.pcapng", "--json").ok(t)} {
		for _, version := range []string{"1.2", "1.3"} {
			found := false
			for line := range strings.Lines(out) {
				found = found || strings.Contains(line, `"secure":true`) && strings.Contains(line, `"target":"/`+version+`"`)
			}
			if !found {
				t.Errorf("TLS %s is not decrypted:\n%s", version, out)
			}
		}
		if !strings.Contains(out, "no keys for this connection in the key log") {
			t.Errorf("the connection without keys says nothing of it:\n%s", out)
		}
	}
	out, err := p.beside("tshark", "-n", "-r", filepath.Join(p.dir, "run.pcapng"), "-d", "tcp.port==8443,tls", "-Y", "http.request", "-T", "fields", "-e", "http.request.uri").Output()
	if got := string(out); err != nil || got != "/1.2\n/1.3\n" {
		t.Errorf("tshark decrypts %q, %v", got, err)
	}
}

// An HTTP archive is valid by a validator that others wrote.
func TestTapArchive(t *testing.T) {
	node := need(t, "node")
	if _, err := os.Stat("testdata/har/node_modules/.package-lock.json"); err != nil {
		t.Skip("npm package @har-sdk/validator is missing (hint: sh test/install)")
	}
	t.Parallel()
	e := newEnv(t, seccomp)
	p := e.project("archive")
	for _, pattern := range []string{"testdata/docs/shop/run.pcapng", "../internal/decode/http1/testdata/*.pcap", "../internal/decode/http2/testdata/*.pcap", "../internal/decode/grpc/testdata/*.pcap"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no capture %s: %v", pattern, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p.write("run.pcap", string(b))
			p.lodge("tap", "-r", "run.pcap", "-o", "run.har", "--stat").ok(t)
			if out, err := exec.Command(node, "testdata/har/validate.js", filepath.Join(p.dir, "run.har")).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", file, err, out)
			}
		}
	}
}

// An ordinary user without the machine's helper is told what to do, and can read files.
func TestTapWithoutHelper(t *testing.T) {
	t.Parallel()
	e := newEnv(t, seccomp)
	r := e.lodge(e.base, "tap")
	if r.code != 1 || !strings.Contains(r.stderr, "sudo lodge setup") || strings.Count(r.stderr, "\n") != 1 {
		t.Error(r)
	}
}

// What cannot be read or written gets one line, and nothing is left.
func TestTapWrongFiles(t *testing.T) {
	t.Parallel()
	e := newEnv(t, seccomp)
	// The head of a pcap file, and no packet (draft-ietf-opsawg-pcap, section 4).
	const head = "\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x01\x00\x00\x00"
	p := e.project("files", "none.pcapng", "no capture", "empty.pcap", "", "head.pcap", head)
	for name, target := range map[string]string{"link.jsonl": "target", "lock.jsonl": ""} {
		path := filepath.Join(p.dir, name)
		if target != "" {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		p.write(name, "old")
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }() // only locked
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
	}
	p.write("wide.jsonl", "old")
	p.lodge("tap", "-r", "head.pcap", "-o", "wide.jsonl").ok(t)
	if fi, err := os.Stat(filepath.Join(p.dir, "wide.jsonl")); err != nil || fi.Mode().Perm() != 0o600 || strings.Contains(p.read("wide.jsonl"), "old") {
		t.Errorf("a file that was there: %v, %v", fi, err)
	}
	if r := p.lodge("tap", "-r", "head.pcap", "--follow", "1", "--secrets"); r.code != 1 || !strings.Contains(r.stderr, "follow connection 1") {
		t.Error(r)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-r", "head.pcap", "-o", "link.jsonl"}, 1, "symbolic link"},
		{[]string{"-r", "head.pcap", "-o", "lock.jsonl"}, 1, "another lodge tap writes it"},
		{[]string{"-r", "head.pcap", "-o", "a.har", "-o", "./a.har"}, 2, "which is given too"},
		{[]string{"-r", "head.pcap", "--follow", "1"}, 2, "--secrets"},
		{[]string{"-r", "none.pcapng"}, 1, "none.pcapng"},
		{[]string{"-r", "empty.pcap"}, 1, "empty.pcap"},
		{[]string{"-r", "."}, 1, "is a directory"},
		{[]string{"-r", "gone.pcapng"}, 1, "no such file"},
		{[]string{"-r", "none.pcapng", "-o", "x.txt"}, 2, ".pcapng, .jsonl, .har"},
		{[]string{"-r", "head.pcap", "-o", "no/x.jsonl"}, 1, "no/x.jsonl"},
		{[]string{"-r", "head.pcap", "--keylog", "gone.log"}, 1, "gone.log"},
		{[]string{"--keylog", ""}, 2, "--keylog"},
		{[]string{"-n", "0"}, 2, "--count"},
		{[]string{"--body", "many"}, 2, "--body"},
		{[]string{"status=many"}, 2, "status>=500"},
		{[]string{"protocol=postgress"}, 2, "postgresql"},
		{[]string{"-v", "--json"}, 2, "--json"},
	} {
		r := p.lodge(append([]string{"tap"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.says) || strings.Count(r.stderr, "\n") != 1 {
			t.Error(r)
		}
	}
}

// Two projects that are up are compared while both run, at the same ports: the copy of a
// project does the same, until one of its files is changed.
func TestTapDiff(t *testing.T) {
	needRoot(t)
	python(t)
	need(t, "curl")
	t.Parallel()
	e := newEnv(t, ebpf)
	e.quiet()
	up := func(name, text string) *project {
		p := e.project(name, "index.html", text, "lodge.toml", config("web", systemPython+" -m http.server 8000"))
		p.lodge("up", "-d").ok(t)
		return p
	}
	a, b := up("one", "hello\n"), up("two", "hello\n")
	ask := func(p *project, paths ...string) {
		for _, path := range paths {
			p.lodge("exec", "--", "curl", "-s", "localhost:8000"+path).ok(t)
		}
	}
	compare := func(during func(), args ...string) result {
		tap := a.start(append([]string{"tap", "diff", "one", "two"}, args...)...)
		eventually(t, func() string {
			if text := tap.stderr(); !strings.Contains(text, "comparing one with two") {
				return "lodge tap diff does not begin: " + text
			}
			return ""
		})
		during()
		if len(args) == 0 {
			tap.signal(syscall.SIGINT)
		}
		return tap.wait()
	}
	r := compare(func() {
		ask(a, "/index.html", "/index.html", "/gone")
		ask(b, "/gone", "/index.html", "/index.html")
	})
	if r.code != 0 || !strings.Contains(r.stdout, "No difference; 3 exchanges in 2 kinds of requests compared") || !strings.Contains(r.stdout, "- B: two, 3 exchanges; nothing lost") {
		t.Error(r)
	}
	b.write("index.html", "other\n")
	r = compare(func() {
		ask(a, "/index.html")
		ask(b, "/index.html", "/more")
	}, "--duration", "4s")
	if r.code != 1 || strings.Count(r.stdout, "- **") != 2 || !strings.Contains(r.stdout, "- **added** web:8000 http `GET /more` ×1") ||
		!strings.Contains(r.stdout, "- **response body** web:8000 http `GET /index.html`: `other`, was `hello`") {
		t.Error(r)
	}
	if r := a.lodge("tap", "diff", "one", "three"); r.code != 2 || !strings.Contains(r.stderr, "neither a file nor a project that is up") {
		t.Error(r)
	}
}
