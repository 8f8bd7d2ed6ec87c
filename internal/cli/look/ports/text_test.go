package ports

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"lodge/internal/cli/clitest"
	"lodge/internal/loopback"
	"lodge/internal/show/table"
	"lodge/internal/sockets"
)

func pointer[T any](v T) *T { return &v }

// madeUp is a table with one of each.
func madeUp() *sockets.Table {
	start := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	postgres := &sockets.Process{PID: 398, Name: "postgres", Command: "/usr/lib/postgresql/15/bin/postgres -D data -k .", UID: 101, User: "postgres", Executable: "/usr/lib/postgresql/15/bin/postgres",
		Directory: "/home/me/shop", StartedAt: &start, ParentPID: 390, ParentName: "lodge", Cgroup: "/lodge-0-x/home-127.83.20.7/in/db", Project: "shop", Service: "db"}
	node := &sockets.Process{PID: 412, Name: "node", Command: "node server.js", UID: 1000, User: "me", Project: "shop", Service: "web"}
	nginx := &sockets.Process{PID: 100, Name: "nginx", Command: "nginx: master process nginx", User: "root"}
	worker := &sockets.Process{PID: 101, Name: "nginx", Command: "nginx: worker process", UID: 33, User: "www-data"}
	php := &sockets.Process{PID: 120, Name: "php-fpm", Command: "php-fpm", UID: 33, User: "www-data"}
	evil := &sockets.Process{PID: 666, Name: "\x1b[31mred\n", Command: "\u202eevil\x07 ünï 日本語 \xff", UID: 1001, User: "eve"}
	curl := &sockets.Process{PID: 777, Name: "curl", Command: "curl -s http://127.0.0.1:8080/"}
	of := func(ps ...*sockets.Process) []*sockets.Process { return ps }
	rows := []sockets.Row{
		{Protocol: "tcp", Family: "ipv4", State: "established", Local: addr("127.0.0.1:5432"), Remote: addr("127.0.0.1:51514"), Scope: loopback.ScopeLoopback, UID: pointer[uint32](101), User: "postgres", Inode: 11, Cookie: 1,
			Processes: of(postgres), Project: "shop", Service: "db", Peer: &sockets.Peer{Inode: 12, Processes: of(node), Project: "shop", Service: "web"}, RecvQueue: pointer[uint32](2048)},
		{Protocol: "tcp", Family: "ipv4", State: "established", Local: addr("127.0.0.1:51514"), Remote: addr("127.0.0.1:5432"), Scope: loopback.ScopeLoopback, UID: pointer[uint32](1000), User: "me", Inode: 12, Cookie: 2,
			Processes: of(node), Project: "shop", Service: "web", Peer: &sockets.Peer{Inode: 11, Processes: of(postgres), Project: "shop", Service: "db"},
			TCP: &sockets.TCPInfo{RTT: 37, Sent: 1234567, Received: 999, Retransmits: 2}},
		{Protocol: "tcp", Family: "ipv4", State: "listen", Local: addr("127.0.0.1:5432"), Scope: loopback.ScopeLoopback, UID: pointer[uint32](101), User: "postgres", Inode: 10, Cookie: 3,
			Processes: of(postgres), Project: "shop", Service: "db", Backlog: pointer[uint32](3), BacklogLimit: pointer[uint32](128), OpenedAt: &start},
		{Protocol: "tcp", Family: "ipv6", State: "listen", Local: addr("[::]:8080"), Scope: loopback.ScopeAll, UID: pointer[uint32](0), User: "root", Inode: 13, Cookie: 4,
			Processes: of(nginx, worker, php), Backlog: pointer[uint32](0), BacklogLimit: pointer[uint32](511)},
		{Protocol: "tcp", Family: "ipv4", State: "listen", Local: addr("127.83.20.7:3000"), Scope: loopback.ScopeHome, UID: pointer[uint32](1000), User: "me", Inode: 14, Cookie: 5, Processes: of(node), Project: "shop", Service: "web"},
		{Protocol: "tcp", Family: "ipv4", State: "bound", Local: addr("127.0.0.1:9999"), Scope: loopback.ScopeLoopback, UID: pointer[uint32](1001), Inode: 15, Cookie: 6, Processes: of(evil)},
		{Protocol: "udp", Family: "ipv4", State: "bound", Local: addr("127.0.0.53:53"), Scope: loopback.ScopeLoopback, UID: pointer[uint32](102), Inode: 16, Cookie: 7, Processes: of(), Unknown: true, RecvQueue: pointer[uint32](512)},
		{Protocol: "udp", Family: "ipv4", State: "connected", Local: addr("127.0.0.1:40000"), Remote: addr("127.0.0.53:53"), Scope: loopback.ScopeLoopback, UID: pointer[uint32](1000), User: "me", Inode: 17, Cookie: 8, Processes: of(node)},
		{Protocol: "tcp", Family: "ipv4", State: "established", Local: addr("10.1.2.3:8080"), Remote: addr("10.9.9.9:44444"), Scope: loopback.ScopeLAN, UID: pointer[uint32](33), User: "www-data", Inode: 18, Cookie: 9, Processes: of(nginx, worker)},
		{Protocol: "tcp", Family: "ipv4", State: "close_wait", Local: addr("127.0.0.1:8080"), Remote: addr("127.0.0.1:50505"), Scope: loopback.ScopeLoopback, UID: pointer[uint32](33), User: "www-data", Inode: 19, Cookie: 10, Processes: of(worker),
			Peer: &sockets.Peer{Inode: 20, Processes: of(), Unknown: true}},
		{Protocol: "tcp", Family: "ipv4", State: "fin_wait_2", Local: addr("127.0.0.1:50505"), Remote: addr("127.0.0.1:8080"), Scope: loopback.ScopeLoopback, UID: pointer[uint32](33), Inode: 20, Cookie: 11, Processes: of(), Unknown: true,
			Peer: &sockets.Peer{Inode: 19, Processes: of(worker)}},
		{Protocol: "tcp", Family: "ipv4", State: "time_wait", Local: addr("127.0.0.1:50506"), Remote: addr("127.0.0.1:8080"), Scope: loopback.ScopeLoopback, Cookie: 12, Processes: of(), Closed: curl},
		{Protocol: "tcp", Family: "ipv4", State: "time_wait", Local: addr("127.0.0.1:50507"), Remote: addr("127.0.0.1:8080"), Scope: loopback.ScopeLoopback, Cookie: 13, Processes: of()},
		{Protocol: "tcp", Family: "ipv6", State: "established", Local: addr("[2001:db8::1]:33333"), Remote: addr("[2001:db8:1234:5678:9abc:def0:1234:5678]:443"), Scope: loopback.ScopeLAN, UID: pointer[uint32](1000), User: "me", Inode: 21, Cookie: 14, Processes: of(node),
			Namespace: 4026532000, NamespaceName: "web-1"},
		{Protocol: "tcp", Family: "ipv4", State: "established", Local: addr("127.0.0.1:44000"), Remote: addr("127.0.0.1:44000"), Scope: loopback.ScopeLoopback, UID: pointer[uint32](1000), User: "me", Inode: 22, Cookie: 15, Processes: of(node), Peer: &sockets.Peer{Inode: 22, Processes: of(node)}},
		{Protocol: "unix", Family: "unix", State: "listen", Type: "stream", Path: "/run/db.sock", Inode: 30, Cookie: 16, Processes: of(postgres)},
		{Protocol: "unix", Family: "unix", State: "connected", Type: "stream", Path: "/run/db.sock", Inode: 31, Cookie: 17, Processes: of(postgres), Peer: &sockets.Peer{Inode: 32, Processes: of(node)}},
		{Protocol: "unix", Family: "unix", State: "connected", Type: "stream", Inode: 32, Cookie: 18, Processes: of(node), Peer: &sockets.Peer{Inode: 31, Path: "/run/db.sock", Processes: of(postgres)}},
		{Protocol: "unix", Family: "unix", State: "bound", Type: "datagram", Path: "@\x00hid\x1bden", Inode: 33, Cookie: 19, Processes: of(evil)},
	}
	for i := range rows {
		for _, q := range []**uint32{&rows[i].RecvQueue, &rows[i].SendQueue} {
			if *q == nil {
				*q = pointer[uint32](0)
			}
		}
	}
	return &sockets.Table{Rows: rows, UnknownOwners: 2, Warnings: []string{"a warning"}}
}

func TestPortsText(t *testing.T) {
	now := time.Date(2026, 3, 4, 7, 6, 7, 0, time.UTC)
	for _, c := range []struct {
		name string
		text tableText
		sort string
	}{
		{"ports.pipe", tableText{header: true}, ""},
		{"ports.80", tableText{header: true, width: 80}, ""},
		{"ports.120", tableText{header: true, width: 120, traffic: true, age: true, now: now}, ""},
		{"ports.40", tableText{header: true, width: 40}, ""},
		{"ports.colour", tableText{header: true, width: 100, color: true}, "process"},
		{"ports.ends", tableText{traffic: true, view: viewOptions{bothEnds: true, timeWait: true}}, "traffic"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newView(newTableSource(madeUp().Rows), c.text.view)
			v.sort(c.sort, false)
			var out bytes.Buffer
			if err := c.text.print(&out, v); err != nil {
				t.Fatal(err)
			}
			clitest.Golden(t, c.name, out.Bytes())
			for l := range strings.Lines(out.String()) {
				if w := table.Width(strings.TrimSuffix(l, "\n")); c.text.width > 0 && !c.text.color && w > c.text.width && !strings.Contains(l, "TIME_WAIT") {
					t.Errorf("%d columns: %q", w, l)
				}
				if !c.text.color && strings.ContainsAny(l, "\x1b\a\u202e\r\x00") {
					t.Errorf("a control character: %q", l)
				}
			}
		})
	}
}

func TestPortsJSON(t *testing.T) {
	var out bytes.Buffer
	if err := writeTableJSON(&out, newTableSource(madeUp().Rows), nil, 2, []string{"a warning"}); err != nil {
		t.Fatal(err)
	}
	clitest.Golden(t, "ports.json", out.Bytes())
	out.Reset()
	if err := writeTableJSON(&out, newTableSource(nil), nil, 0, nil); err != nil || out.String() != "{\"sockets\":[\n],\"unknown_owners\":0,\"warnings\":[]}\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}
