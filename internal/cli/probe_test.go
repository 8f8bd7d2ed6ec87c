package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
	"lodge/internal/probe"
)

// page is a web server that counts, and its address.
func page(t *testing.T, handler http.HandlerFunc) (string, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		handler(w, r)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), &n
}

// freePort is a port on which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestProbeOne(t *testing.T) {
	sh := newShell(t)
	at, _ := page(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "test/1")
		fmt.Fprint(w, "hello")
	})
	times := regexp.MustCompile(`\d+(\.\d+)? (ms|s)\b`)
	got := times.ReplaceAllString(sh.ok("probe", "http://"+at+"/x"), "T")
	want := at + " answers: HTTP/1.1 200 OK, test/1, connect T, first byte T\n  page  GET /x: text/plain; charset=utf-8, \"hello\"\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	var r probe.Report
	if err := json.Unmarshal([]byte(sh.ok("probe", "--json", at)), &r); err != nil || r.Result != probe.Answered || r.Answer.HTTP.Status != 200 || r.IP.String()+":"+fmt.Sprint(r.Port) != at || r.ConnectUS == 0 || r.FirstByteUS == 0 {
		t.Errorf("%+v, %v", r, err)
	}

	free := freePort(t)
	code, stdout, stderr := sh.run("probe", free)
	if code != kit.ExitNotDone || stdout != "" {
		t.Errorf("%d, %q", code, stdout)
	}
	one(t, stderr, "nobody listens on "+free+": connection refused", "lodge explain "+free)
	code, stdout, stderr = sh.run("probe", "--json", free)
	if err := json.Unmarshal([]byte(stdout), &r); code != kit.ExitNotDone || err != nil || r.Result != "refused" {
		t.Errorf("%d, %v, %q", code, err, stdout)
	}
	one(t, stderr, "nobody listens", "")
	code, _, stderr = sh.run("probe", "--udp", free)
	if code != kit.ExitNotDone {
		t.Error(code)
	}
	one(t, stderr, "nobody has "+free, "lodge explain")

	for _, remote := range []string{"192.0.2.1:80", "http://[2001:db8::1]/"} {
		for _, flags := range [][]string{nil, {"-n", "5"}, {"--udp"}} {
			code, stdout, stderr = sh.run(append(append([]string{"probe"}, flags...), remote)...)
			if len(flags) == 1 && strings.HasPrefix(remote, "http") {
				continue
			}
			if code != kit.ExitNotDone || stdout != "" {
				t.Errorf("%v: %d, %q", flags, code, stdout)
			}
			one(t, stderr, "is not this machine", "--remote")
		}
	}
}

func TestProbeUnanswered(t *testing.T) {
	sh := newShell(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	code, _, stderr := sh.run("probe", l.Addr().String())
	if code != kit.ExitNotDone {
		t.Error(code)
	}
	one(t, stderr, "takes connections, and closes each without a word", "lodge explain "+l.Addr().String())
	_ = l.Close()
	<-done

	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil { // the kernel takes its connections, and nobody reads
		t.Fatal(err)
	}
	defer l.Close()
	code, _, stderr = sh.run("probe", "--timeout", "2s", l.Addr().String())
	if code != kit.ExitNotDone {
		t.Error(code)
	}
	one(t, stderr, "takes connections, and says nothing to any question", "lodge probe --connect "+l.Addr().String())
	if got := sh.ok("probe", "--connect", l.Addr().String()); !strings.HasPrefix(got, l.Addr().String()+": connecting: took ") {
		t.Error(got)
	}
}

func TestProbeMany(t *testing.T) {
	sh := newShell(t)
	at, n := page(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/post" {
			b, _ := io.ReadAll(r.Body)
			if r.Method != "POST" || string(b) != "from a file" || r.Header.Get("X-A") != "b" {
				w.WriteHeader(http.StatusBadRequest)
			}
		}
		if r.URL.Path == "/none" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	sh.write("body", "from a file")
	for _, c := range []struct {
		args     string
		requests int64
		code     int
		out      string
	}{
		{"-n 50 -c 5 http://" + at, 50, 0, "50 × GET / in "},
		{"-n 20 --http=/x " + at, 20, 0, "20 × GET /x in "},
		{"-n 20 --http /y " + at, 20, 0, "20 × GET /y in "},
		{"--http " + at, 1, 0, ": GET /: 200, took "},
		{"-c 2 --http " + at, 1000, 0, "1000 × GET / in "},
		{"-n 3 --rate 1000 --http " + at, 3, 0, "once begun"},
		{"-n 3 --http /post --body @body -H X-A:b " + at, 3, 0, "3 × POST /post in "},
		{"-n 3 --http /none " + at, 3, 1, "none succeeded"},
		{"-n 3 --http /none --expect 404 " + at, 3, 0, "all succeeded"},
		{"-n 3 --http /none --max-errors 3 " + at, 3, 1, "404: 3"},
		{"-n 3 --http /none --max-errors 2 " + at, 3, 1, "404: 3"},
		{"-n 30 " + at, 0, 0, "30 × connecting in "},
	} {
		n.Store(0)
		code, stdout, stderr := sh.run(append([]string{"probe"}, strings.Fields(c.args)...)...)
		if code != c.code || n.Load() != c.requests || !strings.Contains(stdout, c.out) || (stderr != "") != (c.code != 0) {
			t.Errorf("%s: %d, %d requests\n%s%s", c.args, code, n.Load(), stdout, stderr)
		}
	}
	var s probe.Summary
	if err := json.Unmarshal([]byte(sh.ok("probe", "--json", "-n", "7", "-c", "2", "http://"+at+"/z")), &s); err != nil || s.Succeeded != 7 || s.Path != "/z" || s.Statuses["200"] != 7 {
		t.Errorf("%+v, %v", s, err)
	}
	free := freePort(t)
	code, stdout, stderr := sh.run("probe", "-n", "5", free)
	if code != kit.ExitNotDone || !strings.Contains(stdout, "refused  5: connection refused") {
		t.Errorf("%d, %q", code, stdout)
	}
	one(t, stderr, "nothing succeeded: connection refused", "lodge explain "+free)
	code, _, stderr = sh.run("probe", "-n", "5", "--max-errors", "0", free)
	if code != kit.ExitNotDone {
		t.Error(code)
	}
	one(t, stderr, "5 failed, which is more than 0", "")
}

func TestProbeUsage(t *testing.T) {
	sh := newShell(t)
	for line, want := range map[string]string{
		"probe":                        "there are none",
		"probe 80 81":                  "one address, not 2",
		"probe 80 81 82":               "one address, not 3",
		"probe --http=/x /y 81":        "one address, not 2",
		"probe localhost":              "it has no port",
		"probe 0":                      "a port is 1 to 65535",
		"probe gopher://localhost":     "is not known",
		"probe -n 0 80":                "--count is not more than nothing",
		"probe -c -1 80":               "--concurrency is not more than nothing",
		"probe --rate 0 80":            "--rate is not more than nothing",
		"probe --rate NaN 80":          "--rate is not more than nothing",
		"probe --rate 1e9 80":          "more than a million",
		"probe --duration -1s 80":      "--duration is not more than nothing",
		"probe --timeout 0s 80":        "--timeout is not more than nothing",
		"probe --connect --echo 64 80": "one or the other",
		"probe --echo 64 --http 80":    "one or the other",
		"probe --echo 0 80":            "not 1 to",
		"probe --echo big 80":          "not 1 to",
		"probe --connect -X POST 80":   "are for HTTP",
		"probe --http --expect 700 80": "not a status",
		"probe --http -H nothing 80":   "not of the form",
		"probe -c 10001 -n 20000 80":   "are more than 10000",
		"probe --udp -n 5 80":          "only an echo",
		"probe --count many 80":        "invalid argument",
	} {
		code, stdout, stderr := sh.run(strings.Fields(line)...)
		if code != kit.ExitUsage || stdout != "" {
			t.Errorf("%s: %d, %q", line, code, stdout)
		}
		one(t, stderr, want, "")
	}
	code, stdout, stderr := sh.run("probe", "--http", "--body", "@/nowhere", "80")
	if code != kit.ExitNotDone || stdout != "" {
		t.Errorf("%d, %q", code, stdout)
	}
	one(t, stderr, "read body: open /nowhere", "")
}

// TestProbeInterrupted sends this process what Ctrl-C would, once lodge waits
// for it: it prints what was measured.
func TestProbeInterrupted(t *testing.T) {
	sh := newShell(t)
	var n atomic.Int64
	at, _ := page(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 11 {
			if err := unix.Kill(os.Getpid(), unix.SIGINT); err != nil {
				t.Error(err)
			}
			<-r.Context().Done()
		}
	})
	code, stdout, stderr := sh.run("probe", "-n", "1000", "-c", "1", "--timeout", "1m", "http://"+at)
	if code != 130 || !strings.Contains(stdout, "10 × GET / in ") || !strings.Contains(stdout, "all succeeded; interrupted\n") || stderr != "" {
		t.Errorf("%d, %q, %q", code, stdout, stderr)
	}
}

// TestProbeProgress has a terminal for standard error, and a server that goes
// on when the progress was shown.
func TestProbeProgress(t *testing.T) {
	sh := newShell(t)
	shown := make(chan struct{})
	var n atomic.Int64
	at, _ := page(t, func(http.ResponseWriter, *http.Request) {
		if n.Add(1) == 3 {
			<-shown
		}
	})
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	seen := make(chan string)
	go func() {
		var all strings.Builder
		b := make([]byte, 4096)
		told := false
		for {
			n, err := master.Read(b)
			all.Write(b[:n])
			if !told && strings.Contains(all.String(), "2 of 5 in ") {
				told = true
				close(shown)
			}
			if err != nil {
				seen <- all.String()
				return
			}
		}
	}()
	out, err := os.Create(filepath.Join(sh.base, "out"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code := Run(ctx, sh.environ(nil, out, terminal, []string{"probe", "-n", "5", "-c", "1", "http://" + at}))
	_, _ = out.Close(), terminal.Close()
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if all := <-seen; code != 0 || !strings.HasSuffix(all, "\r\x1b[K") || strings.Contains(string(b), "\r") || !strings.Contains(string(b), "5 × GET /") {
		t.Errorf("%d, %q, %q", code, all, b)
	}
}
