package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"lodge/internal/cli/kit"
	"lodge/internal/show/table"
	"lodge/internal/sockets"
)

// listening opens a TCP socket on loopback and gives its port.
func listening(t *testing.T) (*net.TCPListener, string) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// connected opens a connection to l, and gives both its ends.
func connected(t *testing.T, l *net.TCPListener) (client, server net.Conn) {
	t.Helper()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

// self is how this process is named.
func self(t *testing.T) string {
	t.Helper()
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s[%d]", strings.TrimSpace(string(name)), os.Getpid())
}

func TestPortsShowsBothEnds(t *testing.T) {
	sh := newShell(t)
	l, port := listening(t)
	client, _ := connected(t, l)
	me := self(t)
	out := sh.ok("ports", port)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 5 || lines[2] != "" {
		t.Fatalf("got:\n%.2000s", out)
	}
	if f := strings.Fields(lines[1]); len(f) < 4 || f[0] != "tcp" || f[1] != "127.0.0.1:"+port || f[2] != me {
		t.Errorf("the listener: %q", lines[1])
	}
	want := []string{me, client.LocalAddr().String(), "→", "127.0.0.1:" + port, me, "established"}
	if got := strings.Fields(lines[4]); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the connection: %q, want %q", got, want)
	}
	// Each end is a line of its own, if it is asked for.
	if got := sh.ok("ports", "--both-ends", "--no-header", "--connected", port); strings.Count(got, "\n") != 2 {
		t.Errorf("got:\n%s", got)
	}
	if _, err := os.Lstat(sh.socket()); err == nil {
		t.Error("a daemon was started to look")
	}
}

func TestPortsJSONOfRealSockets(t *testing.T) {
	sh := newShell(t)
	l, port := listening(t)
	client, server := connected(t, l)
	var got struct {
		Sockets  []sockets.Row `json:"sockets"`
		Unknown  *int          `json:"unknown_owners"`
		Warnings []string      `json:"warnings"`
	}
	out := sh.ok("ports", "--json", "--traffic", "--pid", strconv.Itoa(os.Getpid()), ":"+port)
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	if got.Unknown == nil || *got.Unknown != 0 || len(got.Warnings) > 0 {
		t.Errorf("got %v, %q", got.Unknown, got.Warnings)
	}
	seen := make(map[netip.AddrPort]sockets.Row)
	for _, r := range got.Sockets {
		if r.Local != nil && r.Remote != nil {
			seen[r.Local.AddrPort()] = r
		}
		if len(r.Processes) != 1 || r.Processes[0].PID != os.Getpid() || r.Processes[0].Executable == "" || r.Processes[0].StartedAt == nil {
			t.Errorf("held by %+v", r.Processes)
		}
	}
	if len(got.Sockets) != 3 || len(seen) != 2 {
		t.Fatalf("got %d sockets:\n%.2000s", len(got.Sockets), out)
	}
	for _, c := range []net.Conn{client, server} {
		r := seen[netip.MustParseAddrPort(c.LocalAddr().String())]
		if r.State != "established" || r.Remote.AddrPort().String() != c.RemoteAddr().String() || r.Peer == nil || len(r.Peer.Processes) != 1 || r.Peer.Processes[0].PID != os.Getpid() || r.TCP == nil {
			t.Errorf("%s: %+v", c.LocalAddr(), r)
		}
	}
}

func TestPortsFilters(t *testing.T) {
	sh := newShell(t)
	l, port := listening(t)
	connected(t, l)
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: l.Addr().(*net.TCPAddr).Port})
	if err != nil {
		t.Skipf("UDP port %s is taken: %v", port, err)
	}
	defer u.Close()
	pid := "--pid=" + strconv.Itoa(os.Getpid())
	name, _, _ := strings.Cut(self(t), "[")
	for _, c := range []struct {
		args string
		want int // sockets: listener, two ends, UDP
	}{
		{port, 4},
		{port + "-" + port, 4},
		{"127.0.0.1:" + port, 4},
		{"http://127.0.0.1:" + port + "/", 4},
		{"127.0.0.2:" + port, 0},
		{port + "/tcp", 3},
		{"127.0.0.0/8 " + port, 4},
		{port + " --address 127.0.0.1,::1", 4},
		{port + " --udp", 1},
		{port + " --listen", 2},
		{port + " -l -t", 1},
		{port + " --connected", 2},
		{port + " --state listen", 1},
		{port + " --scope loopback", 4},
		{port + " -4", 4},
		{port + " -6", 0},
		{port + " " + self(t), 4},
		{port + " --process " + name, 4},
		{port + " --user " + strconv.Itoa(os.Getuid()), 4},
		{port + " --project nothing", 0},
		{port + " " + pid, 4},
		{port + " --pid 1073741824", 0},
		{port + " --sort traffic --reverse", 4},
	} {
		out := sh.ok(append([]string{"ports", "--json"}, strings.Fields(c.args)...)...)
		var got struct {
			Sockets []sockets.Row `json:"sockets"`
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%s: %v", c.args, err)
		}
		if len(got.Sockets) != c.want {
			t.Errorf("%s: %d sockets, want %d\n%.2000s", c.args, len(got.Sockets), c.want, out)
		}
	}
}

func TestPortsNothingMatches(t *testing.T) {
	sh := newShell(t)
	for args, want := range map[string]string{
		"--pid 1073741824":      "no socket matches\n",
		"nosuch another":        "no socket matches\n",
		"listening":             "no socket matches a process or project \"listening\" (hint: lodge ports --state listen)\n",
		"all-interfaces":        "no socket matches a process or project \"all-interfaces\" (hint: lodge ports --scope all-interfaces)\n",
		"udp --pid 1073741824":  "no socket matches a process or project \"udp\" (hint: lodge ports --udp)\n",
		"1 --process no-one-is": "no socket matches\n",
		"nosuch/web":            "no socket matches: nothing that is up is called nosuch/web (hint: lodge ls)\n",
		"web.nosuch.localhost":  "no socket matches: nothing that is up is called web.nosuch.localhost (hint: lodge ls)\n",
		"nosuch.test:1":         "no socket matches: nothing that is up is called nosuch.test (hint: lodge ls)\n",
	} {
		code, stdout, stderr := sh.run(append([]string{"ports"}, strings.Fields(args)...)...)
		wantCode := kit.ExitNotDone // a word that is no name is a mistake
		if strings.HasPrefix(args, "--") || strings.HasPrefix(args, "1 ") {
			wantCode = kit.ExitDone
		}
		if code != wantCode || stdout != "" || !strings.HasPrefix(stderr, want) {
			t.Errorf("%s: %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

func TestPortsWrongUsage(t *testing.T) {
	sh := newShell(t)
	for _, c := range []struct{ line, want, hint string }{
		{"70000", `read port "70000": it is not between 0 and 65535`, "--pid"},
		{"--port x", `read port "x": it is not a number`, "5432"},
		{"--port 9-1", `read ports "9-1": the first is the larger one`, "1-9"},
		{"--address 127.0.0.256", `read address "127.0.0.256"`, "127.0.0.1"},
		{"127.0.0.256", `read "127.0.0.256"`, "addresses such as"},
		{"--pid 0", `read process id "0"`, "--process"},
		{"--pid init", `read process id "init"`, "--process"},
		{"--user no-such-user-here", `read user "no-such-user-here": there is none such`, "/etc/passwd"},
		{"--state lisen", `read state "lisen": there is none such`, "did you mean listen?"},
		{"--scope wide", `read scope "wide"`, "one of loopback, home"},
		{"--scope loopbak", `read scope "loopbak"`, "did you mean loopback?"},
		{"--sort prot", `read order "prot"`, "did you mean port?"},
		{"--listen --connected", "--listen and --connected", "lodge ports"},
		{"--interval 5s", "--interval is for --watch", "lodge ports --watch --interval 5s"},
		{"--watch --interval 0s", "--interval 0s is too short", "--interval 1s"},
		{"--watch --sort port", "--sort", "leave --sort or --watch out"},
		{"--bogus", "read flags of lodge ports: unknown flag: --bogus", "lodge ports --help"},
	} {
		t.Run(c.line, func(t *testing.T) {
			code, stdout, stderr := sh.run(append([]string{"ports"}, strings.Fields(c.line)...)...)
			if code != kit.ExitUsage || stdout != "" {
				t.Errorf("%d, %q", code, stdout)
			}
			one(t, stderr, c.want, c.hint)
		})
	}
}

// watching is a `lodge ports --watch` that runs.
type watching struct {
	t     *testing.T
	lines chan string
	out   *os.File // the reader's end
	stop  context.CancelFunc
	done  chan int
	err   *os.File
}

func (sh *shell) watch(args ...string) *watching {
	sh.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		sh.t.Fatal(err)
	}
	in, err := os.Open(os.DevNull)
	if err != nil {
		sh.t.Fatal(err)
	}
	errs, err := os.CreateTemp(sh.base, "err")
	if err != nil {
		sh.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &watching{t: sh.t, lines: make(chan string, 1000), out: r, stop: cancel, done: make(chan int, 1), err: errs}
	var wg sync.WaitGroup
	wg.Go(func() {
		x.done <- Run(ctx, sh.environ(in, w, errs, append([]string{"ports", "--watch", "--interval", "20ms"}, args...)))
		_ = w.Close()
	})
	wg.Go(func() {
		defer close(x.lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			x.lines <- s.Text()
		}
	})
	sh.t.Cleanup(func() { cancel(); _ = r.Close(); wg.Wait(); _ = in.Close(); _ = errs.Close() })
	return x
}

// until reads lines until one is as wanted, and gives it.
func (x *watching) until(what string, ok func(string) bool) string {
	x.t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	var seen []string
	for {
		select {
		case l, open := <-x.lines:
			if !open {
				x.t.Fatalf("it ended before %s; it printed:\n%s", what, strings.Join(seen, "\n"))
			}
			if ok(l) {
				return l
			}
			seen = append(seen, l)
		case <-end.C:
			x.t.Fatalf("no line is %s:\n%s", what, strings.Join(seen, "\n"))
		}
	}
}

// ended waits for the end and gives the exit status.
func (x *watching) ended() int {
	x.t.Helper()
	select {
	case code := <-x.done:
		return code
	case <-time.After(patience):
		x.t.Fatal("it goes on")
		return 0
	}
}

func TestPortsWatch(t *testing.T) {
	sh := newShell(t)
	l, port := listening(t)
	x := sh.watch(port)
	x.until("the listener that is there", func(s string) bool { return strings.HasPrefix(s, "tcp ") && strings.Contains(s, ":"+port) })
	client, server := connected(t, l)
	me := self(t)
	sentence := fmt.Sprintf(" %s %s → 127.0.0.1:%s %s established", me, client.LocalAddr(), port, me)
	x.until("the connection, opened", func(s string) bool { return strings.HasPrefix(s, "+ ") && strings.HasSuffix(s, sentence) })
	_ = server.Close()
	_ = client.Close()
	x.until("the connection, closed", func(s string) bool {
		return strings.HasPrefix(s, "- ") && strings.Contains(s, client.LocalAddr().String()+" → ")
	})
	_ = l.Close()
	x.until("the listener, closed", func(s string) bool {
		return strings.HasPrefix(s, "- ") && strings.Contains(s, "tcp 127.0.0.1:"+port+" listen "+me)
	})
	x.stop()
	if code := x.ended(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

func TestPortsWatchJSON(t *testing.T) {
	sh := newShell(t)
	l, port := listening(t)
	x := sh.watch("--json", port)
	type line struct {
		Change string       `json:"change"`
		Time   time.Time    `json:"time"`
		Socket *sockets.Row `json:"socket"`
		Before *sockets.Row `json:"before"`
	}
	next := func(change, state string) line {
		t.Helper()
		var got line
		x.until(change+" "+state, func(s string) bool {
			got = line{}
			dec := json.NewDecoder(strings.NewReader(s))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&got); err != nil {
				t.Fatalf("%v: %s", err, s)
			}
			if got.Socket == nil || got.Time.IsZero() || (got.Before != nil) != (got.Change == "changed") {
				t.Errorf("got %s", s)
			}
			return got.Change == change && got.Socket.State == state
		})
		return got
	}
	next("present", "listen")
	client, server := connected(t, l)
	next("opened", "established")
	next("opened", "established")
	_ = server.Close()
	if got := next("changed", "close_wait"); got.Before.State != "established" || got.Socket.Local.AddrPort().String() != client.LocalAddr().String() {
		t.Errorf("got %+v", got)
	}
	_ = client.Close()
	_ = l.Close()
	next("closed", "listen")
	x.stop()
	if code := x.ended(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// It ends with its reader, though it has nothing to write.
func TestPortsWatchEndsWithItsReader(t *testing.T) {
	sh := newShell(t)
	_, port := listening(t)
	x := sh.watch(port)
	x.until("the listener that is there", func(s string) bool { return strings.Contains(s, ":"+port) })
	_ = x.out.Close()
	if code := x.ended(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if b, _ := os.ReadFile(x.err.Name()); len(b) > 0 {
		t.Errorf("it said %q", b)
	}
}

func TestPortsWithoutReader(t *testing.T) {
	sh := newShell(t)
	listening(t)
	for _, args := range [][]string{{"ports"}, {"ports", "--json"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		errs, err := os.CreateTemp(sh.base, "err")
		if err != nil {
			t.Fatal(err)
		}
		code := Run(t.Context(), sh.environ(nil, w, errs, args))
		_ = w.Close()
		_ = errs.Close()
		if b, _ := os.ReadFile(errs.Name()); code != 0 || len(b) > 0 {
			t.Errorf("%v: %d, %q", args, code, b)
		}
	}
}

// A full disk is no success.
func TestPortsToFullDisk(t *testing.T) {
	sh := newShell(t)
	listening(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full")
	}
	defer full.Close()
	for _, args := range [][]string{{"ports"}, {"ports", "--json"}} {
		errs, err := os.CreateTemp(sh.base, "err")
		if err != nil {
			t.Fatal(err)
		}
		code := Run(t.Context(), sh.environ(nil, full, errs, args))
		_ = errs.Close()
		b, _ := os.ReadFile(errs.Name())
		if code != kit.ExitNotDone {
			t.Errorf("%v: exit status %d", args, code)
		}
		one(t, string(b), "print: ", "")
	}
}

// On a terminal lines fit, and who is open to the network is told by colour.
func TestPortsOnTerminal(t *testing.T) {
	sh := newShell(t)
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	for _, c := range []struct {
		env   string
		color bool
	}{{"TERM=xterm", true}, {"NO_COLOR=1", false}, {"TERM=dumb", false}} {
		ours, theirs, err := pty.Open()
		if err != nil {
			t.Skipf("no terminal: %v", err)
		}
		if err := pty.Setsize(theirs, &pty.Winsize{Rows: 24, Cols: 60}); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(&out, ours) }) // ends with EIO, when nobody has the terminal any more
		env := sh.environ(theirs, theirs, theirs, []string{"ports", port})
		env.Environ = append(append([]string(nil), env.Environ...), c.env)
		code := Run(t.Context(), env)
		_ = theirs.Close()
		wg.Wait()
		_ = ours.Close()
		text := strings.ReplaceAll(out.String(), "\r", "")
		if code != 0 || strings.Contains(text, "\x1b[1;33mall-interfaces\x1b[0m") != c.color || strings.Contains(text, "\x1b") != c.color {
			t.Errorf("%s: %d\n%q", c.env, code, text)
		}
		for l := range strings.Lines(text) {
			if w := table.Width(strings.TrimSuffix(l, "\n")); !c.color && w > 60 {
				t.Errorf("%d columns: %q", w, l)
			}
		}
	}
}
