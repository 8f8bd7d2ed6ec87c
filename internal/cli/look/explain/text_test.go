package explain

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"lodge/internal/cli/clitest"
	"lodge/internal/explain"
	explainfacts "lodge/internal/explain/facts"
	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// situations are the facts of what people ask about most.
func situations() map[string]explainfacts.Facts {
	now := time.Date(2026, 3, 4, 15, 4, 5, 0, time.Local)
	at := func(d time.Duration) *time.Time { t := now.Add(-d); return &t }
	n := func(v uint32) *uint32 { return &v }
	address := func(s string) *sockets.Address {
		a := netip.MustParseAddrPort(s)
		return &sockets.Address{IP: a.Addr(), Port: a.Port()}
	}
	flask := &sockets.Process{PID: 4242, Name: "flask", Command: "/usr/bin/python3 /usr/bin/flask run --port 49342", Directory: "/home/ann/shop", User: "ann", UID: 1000, StartedAt: at(3 * time.Minute), Cgroup: "/user.slice/user-1000.slice/session-2.scope", Unit: "session-2.scope"}
	psql := &sockets.Process{PID: 5151, Name: "psql", Command: "psql -h localhost shop", Directory: "/home/ann", User: "ann", UID: 1000, StartedAt: at(40 * time.Second)}
	postgres := &sockets.Process{PID: 900, Name: "postgres", Command: "postgres: ann shop 127.0.0.1(49342) idle", User: "postgres", UID: 110, StartedAt: at(40 * time.Second)}
	web := &sockets.Process{PID: 7001, Name: "node", Command: "node server.js", Directory: "/home/ann/fix", User: "ann", UID: 1000, StartedAt: at(26 * time.Hour), Project: "fix", Service: "web"}
	parse := func(s string) input.Question {
		in, err := input.Parse(s)
		if err != nil {
			panic(err)
		}
		return in
	}
	base := func(s string) explainfacts.Facts {
		in := parse(s)
		return explainfacts.Facts{
			Question: in, Now: now, Targets: in.IPs, Local: map[netip.Addr]string{netip.MustParseAddr("127.0.0.1"): "lo", netip.MustParseAddr("::1"): "lo", netip.MustParseAddr("192.168.1.5"): "eth0"},
			Kernel: explainfacts.Kernel{EphemeralFirst: 32768, EphemeralLast: 60999, UnprivilegedStart: 1024}, LowPorts: true,
		}
	}
	shell := []explainfacts.Ancestor{{PID: 4100, Name: "bash"}, {PID: 4000, Name: "tmux: server"}, {PID: 1, Name: "systemd"}}

	free := base("127.0.0.1:49342")
	server := base("127.0.0.1:49342")
	listening := sockets.Row{Protocol: loopback.TCP, Family: "ipv4", State: "listen", Local: address("127.0.0.1:49342"), Scope: loopback.ScopeLoopback, Processes: []*sockets.Process{flask}, Backlog: n(0), BacklogLimit: n(128)}
	server.Rows = []sockets.Row{listening}
	server.Processes = map[int]explainfacts.Process{4242: {State: 'S', Ancestors: shell}}
	client := base("127.0.0.1:49342")
	client.Rows = []sockets.Row{{Protocol: loopback.TCP, Family: "ipv4", State: "established", Local: address("127.0.0.1:49342"), Remote: address("127.0.0.1:5432"), Processes: []*sockets.Process{psql}, Peer: &sockets.Peer{Inode: 7, Processes: []*sockets.Process{postgres}}, Inode: 8}}
	client.Listened = map[netip.AddrPort]bool{netip.MustParseAddrPort("127.0.0.1:5432"): true}
	client.Processes = map[int]explainfacts.Process{5151: {State: 'S', Ancestors: shell}}
	waits := base("127.0.0.1:49342")
	waits.Rows = []sockets.Row{{Protocol: loopback.TCP, Family: "ipv4", State: "time_wait", Local: address("127.0.0.1:49342"), Remote: address("127.0.0.1:5432"), Processes: []*sockets.Process{}}}
	home := base("127.0.0.1:3000")
	home.Projects = []explainfacts.Project{{Name: "fix", Path: "/home/ann/fix", Home4: netip.MustParseAddr("127.85.120.159"), Engine: loopback.EBPF}}
	home.Rows = []sockets.Row{{Protocol: loopback.TCP, Family: "ipv6", State: "listen", Local: address("127.85.120.159:3000"), Scope: loopback.ScopeHome, Processes: []*sockets.Process{web}, Project: "fix", Service: "web", Backlog: n(0), BacklogLimit: n(511)}}
	inUse := base("Error: listen EADDRINUSE: address already in use 127.0.0.1:49342")
	inUse.Rows, inUse.Processes = server.Rows, server.Processes
	localhost := base("127.0.0.1:49342")
	localhost.Question = parse("localhost:49342")
	localhost.Targets = []netip.Addr{netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.1")}
	localhost.Resolution = &explainfacts.Resolution{Addresses: localhost.Targets, Source: "hosts file", Lines: []string{"127.0.0.1 localhost", "::1 localhost"}}
	localhost.Rows = []sockets.Row{listening}
	return map[string]explainfacts.Facts{"free": free, "server": server, "client": client, "time_wait": waits, "home": home, "in_use": inUse, "family": localhost}
}

func TestExplainGolden(t *testing.T) {
	for name, f := range situations() {
		var out strings.Builder
		printReport(&out, explain.Report(&f), 0, false, false)
		clitest.Golden(t, "explain_"+name+".golden", []byte(out.String()))
	}
}
