package cli

import (
	"encoding/json"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

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
