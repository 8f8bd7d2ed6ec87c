package cli

import (
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
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
