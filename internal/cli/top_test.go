package cli

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
	"lodge/internal/sockets/holders"
	"lodge/internal/tui"
)

func TestTopUsage(t *testing.T) {
	sh := newShell(t)
	for _, c := range []struct {
		args       []string
		code       int
		want, hint string
	}{
		{[]string{"top"}, 1, "show top: standard input and output are no terminal", "--once"},
		{[]string{"top", "--view", "nonsense", "--once"}, 2, `no view is called "nonsense"`, "projects, listeners"},
		{[]string{"top", "--interval", "1ms", "--once"}, 2, "--interval 1ms", "--interval 2s"},
		{[]string{"top", "--interval", "soon"}, 2, "read flags of lodge top", "lodge top --help"},
		{[]string{"top", "--once", "99999"}, 2, "99999", ""},
	} {
		code, stdout, stderr := sh.run(c.args...)
		if code != c.code || stdout != "" {
			t.Errorf("%v: status %d, %q", c.args, code, stdout)
		}
		one(t, stderr, c.want, c.hint)
	}
}

// Looking starts no daemon, and finds both ends of a connection with its rate.
func TestTopOnce(t *testing.T) {
	sh := newShell(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // a reply to each of many requests
		defer close(done)
		b := make([]byte, 1000)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := c.Write(b[:10]); err != nil {
				return
			}
			_, _ = s.Read(b)
			_, _ = s.Write(b)
			_, _ = c.Read(b)
		}
	}()
	defer func() { close(stop); <-done }()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	name := "cli.test[" + strconv.Itoa(os.Getpid()) + "]"

	out := sh.ok("top", "--once", "--view", "connections", "--interval", "200ms", port)
	if !strings.Contains(out, "127.0.0.1:"+port) || strings.Count(out, name) != 2 || strings.Contains(out, "\x1b") {
		t.Errorf("got\n%s", out)
	}
	var r tui.Report
	if err := json.Unmarshal([]byte(sh.ok("top", "--json", "--view", "connections", "--interval", "200ms", port)), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Connections) != 1 {
		t.Fatalf("got %+v", r)
	}
	x := r.Connections[0]
	if x.Client.Address.AddrPort().String() != c.LocalAddr().String() || x.Server.Address.AddrPort().String() != l.Addr().String() ||
		len(x.Client.Processes) != 1 || x.Client.Processes[0].PID != os.Getpid() || len(x.Server.Processes) != 1 {
		t.Errorf("got %+v", x)
	}
	if x.Sent == nil || x.Received == nil || *x.Sent == 0 || *x.Received < 10**x.Sent {
		t.Errorf("rates: %v, %v", x.Sent, x.Received)
	}
	if err := json.Unmarshal([]byte(sh.ok("top", "--json", "--interval", "100ms")), &r); err != nil || r.View != "listeners" {
		t.Errorf("without a project: %q, %v", r.View, err)
	}
	if err := json.Unmarshal([]byte(sh.ok("top", "--json", "--view", "projects", "--interval", "100ms")), &r); err != nil || r.View != "projects" {
		t.Errorf("projects: %q, %v", r.View, err)
	}
	if _, err := os.Lstat(sh.socket()); err == nil {
		t.Error("looking started a daemon")
	}
}

func TestTopFilter(t *testing.T) {
	addr := func(s string) *sockets.Address {
		a := netip.MustParseAddrPort(s)
		return &sockets.Address{IP: a.Addr(), Port: a.Port()}
	}
	node := &sockets.Process{PID: 12, Name: "node", Executable: "/usr/bin/node"}
	redis := &sockets.Process{PID: 13, Name: "redis-server", Executable: "/usr/bin/redis-check-rdb"}
	r := &sockets.Row{
		Protocol: loopback.TCP, State: "established", Local: addr("127.0.0.1:40000"), Remote: addr("127.83.1.2:6379"),
		Processes: []*sockets.Process{node}, Project: "shop", Service: "web",
		Peer: &sockets.Peer{Processes: []*sockets.Process{redis}, Project: "store", Service: "db"},
	}
	for text, want := range map[string]bool{
		"": true, "   ": true,
		"6379": true, ":40000": true, "6380": false, "6000-7000": true, "1-2": false, "6380 6379": true,
		"127.0.0.1": true, "127.83.0.0/16": true, "10.0.0.1": false, "127.83.1.2:6379": true, "127.0.0.1:6379": false,
		"node": true, "nod": true, "NODE": true, "redis": true, "check": true, "python": false, "node[12]": true, "redis-server[13]": true,
		"shop": true, "sho": true, "web": true, "db": true, "shop/web": true, "store/db": true, "shop/db": false, "other/web": false,
		"6379/tcp": true, "6379/udp": false,
		"node 6379": true, "node 6380": false, "python node": true, "shop/web redis": true,
		"web.shop.localhost": true, "http://127.83.1.2:6379/x": true,
	} {
		m, err := parseTopFilter(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := m(r); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"99999", "node/", "nonsense:80"} {
		if _, err := parseTopFilter(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// fakeTable is a machine whose sockets and processes are made up, and which
// counts how it is asked.
type fakeTable struct {
	rows          []sockets.Row
	dead          map[int]bool
	cheap, search int
}

func (f *fakeTable) list(_ context.Context, q sockets.Query) (*sockets.Table, error) {
	t := &sockets.Table{}
	for _, r := range f.rows {
		if q.NoProcesses {
			r.Processes, r.Unknown, r.Project, r.Service = nil, false, "", ""
			if r.Peer != nil {
				r.Peer = &sockets.Peer{Inode: r.Peer.Inode}
			}
		}
		if r.Unknown {
			t.UnknownOwners++
		}
		t.Rows = append(t.Rows, r)
	}
	if q.NoProcesses {
		f.cheap++
	} else {
		f.search++
	}
	return t, nil
}

func TestTopOwners(t *testing.T) {
	a, b := &sockets.Process{PID: 1, Name: "a"}, &sockets.Process{PID: 2, Name: "b"}
	f := &fakeTable{dead: map[int]bool{}, rows: []sockets.Row{
		{Inode: 10, Cookie: 100, Processes: []*sockets.Process{a}, Project: "shop", Service: "web", Peer: &sockets.Peer{Inode: 11, Processes: []*sockets.Process{b}}},
		{Inode: 11, Cookie: 101, Processes: []*sockets.Process{b}, Peer: &sockets.Peer{Inode: 10, Processes: []*sockets.Process{a}}},
		{Inode: 12, Cookie: 102, Unknown: true},
	}}
	o := &topOwners{list: f.list, alive: func(p *sockets.Process) bool { return !f.dead[p.PID] }}
	now := time.Now()
	var homes []sockets.Home
	look := func(after time.Duration, cheap, search int) *sockets.Table {
		t.Helper()
		now = now.Add(after)
		f.cheap, f.search = 0, 0
		got, err := o.table(t.Context(), sockets.Query{Homes: homes}, now)
		if err != nil {
			t.Fatal(err)
		}
		if f.cheap != cheap || f.search != search {
			t.Errorf("asked %d times cheaply, %d times all; want %d, %d", f.cheap, f.search, cheap, search)
		}
		return got
	}
	look(0, 0, 1)
	got := look(time.Second, 1, 0)
	r := got.Rows[0]
	if len(r.Processes) != 1 || r.Processes[0] != a || r.Project != "shop" || r.Service != "web" || r.Peer.Processes[0] != b || got.UnknownOwners != 1 || !got.Rows[2].Unknown {
		t.Errorf("what is known is not filled in: %+v", got)
	}
	// One that is gone is no reason to search; nor is what nobody holds.
	f.rows = append(f.rows[:2], sockets.Row{State: "time_wait"})
	look(time.Second, 1, 0)
	// A new one is, also where it has the inode number of one that is gone.
	f.rows = append(f.rows, sockets.Row{Inode: 12, Cookie: 103, Processes: []*sockets.Process{b}})
	if got := look(time.Second, 1, 1); got.Rows[3].Processes[0] != b {
		t.Errorf("got %+v", got.Rows[3])
	}
	look(time.Second, 1, 0)
	// The other end has another socket.
	f.rows[0].Peer = &sockets.Peer{Inode: 12, Processes: []*sockets.Process{b}}
	look(time.Second, 1, 1)
	// A process is gone: its id may be another one's, its sockets' too.
	f.dead[2] = true
	look(time.Second, 0, 1)
	f.dead[2] = false
	look(time.Second, 1, 0)
	// A project came up.
	homes = []sockets.Home{{Project: "shop"}}
	look(time.Second, 0, 1)
	look(time.Second, 1, 0)
	look(ownersAge, 0, 1)
}

// deadLive is a live map that does or does not answer.
type deadLive struct{ err error }

func (d deadLive) Owners(context.Context) (*holders.Owners, error) {
	return &holders.Owners{}, d.err
}

// The live map is asked where it shows more, or where searches are frequent,
// and left alone where it does not answer.
func TestTopOwnersAndTheLiveMap(t *testing.T) {
	var asked []string
	unknown := 1
	cookie := uint64(0)
	changing := false
	list := func(ctx context.Context, q sockets.Query) (*sockets.Table, error) {
		word := "proc"
		left := unknown
		switch {
		case q.NoProcesses:
			word = "kernel"
		case q.Live != nil:
			word = "live"
			if _, err := q.Live.Owners(ctx); err == nil {
				left = 0
			}
		}
		asked = append(asked, word)
		if changing && q.NoProcesses {
			cookie++
		}
		return &sockets.Table{Rows: []sockets.Row{{Inode: 1, Cookie: cookie}}, UnknownOwners: left}, nil
	}
	now := time.Now()
	var o *topOwners
	look := func(after time.Duration, live holders.Live) string {
		t.Helper()
		asked, now = nil, now.Add(after)
		if _, err := o.table(t.Context(), sockets.Query{Live: live}, now); err != nil {
			t.Fatal(err)
		}
		return strings.Join(asked, " ")
	}
	try := func(what string, after time.Duration, live holders.Live, want string) {
		t.Helper()
		if got := look(after, live); got != want {
			t.Errorf("%s: asked %q, want %q", what, got, want)
		}
	}
	// An ordinary user does not see all in /proc.
	o = &topOwners{list: list, alive: func(*sockets.Process) bool { return true }}
	try("none", 0, nil, "proc")
	try("there is one", ownersAge, deadLive{}, "live")
	try("in between", time.Second, deadLive{}, "kernel")
	try("and again", ownersAge, deadLive{}, "live")
	try("it fails", ownersAge, deadLive{err: context.DeadlineExceeded}, "live")
	try("it is left alone", ownersAge, deadLive{}, "proc")
	try("for a while", liveRest, deadLive{}, "live")
	// Root does, and asks it only where there is much to search.
	o = &topOwners{list: list, privileged: true, alive: func(*sockets.Process) bool { return true }}
	for range 3 {
		try("root", ownersAge, deadLive{}, "proc")
	}
	changing = true
	for range busyEnough - 1 {
		try("something new", time.Second, deadLive{}, "kernel proc")
	}
	try("often", time.Second, deadLive{}, "kernel live")
	changing = false
	for range busyEnough {
		look(time.Second, deadLive{})
	}
	try("quiet again", ownersAge, deadLive{}, "proc")
}

func TestUTF8(t *testing.T) {
	for _, c := range []struct {
		env  []string
		want bool
	}{
		{nil, false},
		{[]string{"LANG=en_US.UTF-8"}, true},
		{[]string{"LANG=C.utf8"}, true},
		{[]string{"LANG=en_US.UTF-8", "LC_ALL=C"}, false},
		{[]string{"LANG=C", "LC_CTYPE=de_DE.UTF-8"}, true},
		{[]string{"LANG=de_DE.UTF-8", "LC_ALL="}, true},
		{[]string{"LANG=de_DE"}, false},
	} {
		if got := (&app{env: Env{Environ: c.env}}).utf8(); got != c.want {
			t.Errorf("%v: %v", c.env, got)
		}
	}
}
