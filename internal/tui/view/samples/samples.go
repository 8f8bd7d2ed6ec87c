// Package samples has a machine for the tests of `lodge top`: the project shop with
// a page, an API and a store, a database outside, and a browser that talks to the page.
package samples

import (
	"net/netip"
	"strings"
	"time"

	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/service"
	"lodge/internal/sockets"
)

// Start returns the time at which the machine begins to count.
func Start() time.Time { return time.Date(2026, 3, 4, 15, 6, 7, 0, time.UTC) }

// Process returns a process.
func Process(pid int, name, command string) *sockets.Process {
	return &sockets.Process{PID: pid, Start: uint64(pid) * 100, Name: name, Command: command}
}

// Shop is the machine, with its processes.
type Shop struct {
	Node, API, Redis, Firefox, Nginx1, Nginx2 *sockets.Process
	// Wide has a name of characters that are two cells wide, and Evil one with control characters.
	Wide, Evil *sockets.Process
}

// NewShop returns the machine.
func NewShop() *Shop {
	return &Shop{
		Node:    Process(412, "node", "node server.js"),
		API:     Process(398, "python3", "python3 -m flask run"),
		Redis:   Process(77, "redis-server", "redis-server *:6379"),
		Firefox: Process(1200, "firefox", "/usr/lib/firefox/firefox"),
		Nginx1:  Process(10, "nginx", "nginx: master process"),
		Nginx2:  Process(11, "nginx", "nginx: worker process"),
		Wide:    Process(555, "日本語サーバー", "x"),
		Evil:    Process(666, "evil\x1b[2J\r\nname", "x"),
	}
}

// Home is the address of the project shop.
const Home = "127.83.20.7"

// Sock returns a TCP socket with the ends "local" or "local>remote".
func Sock(cookie uint64, state, ends string, ps ...*sockets.Process) sockets.Row {
	local, remote, connected := strings.Cut(ends, ">")
	r := sockets.Row{Protocol: loopback.TCP, Family: "ipv4", State: state, Cookie: cookie, Inode: uint32(cookie), Processes: ps, Scope: loopback.ScopeLoopback}
	a := netip.MustParseAddrPort(local)
	r.Local = &sockets.Address{IP: a.Addr(), Port: a.Port()}
	switch {
	case a.Addr().IsUnspecified():
		r.Scope = loopback.ScopeAll
	case loopback.HomeRange.Contains(a.Addr()):
		r.Scope = loopback.ScopeHome
	case !a.Addr().IsLoopback():
		r.Scope = loopback.ScopeLAN
	}
	if a.Addr().Is6() {
		r.Family = "ipv6"
	}
	if connected {
		b := netip.MustParseAddrPort(remote)
		r.Remote = &sockets.Address{IP: b.Addr(), Port: b.Port()}
	}
	if state == "listen" {
		var none, limit uint32 = 0, 128
		r.Backlog, r.BacklogLimit = &none, &limit
	}
	return r
}

// Within returns the socket as one of a service.
func Within(r sockets.Row, project, service string) sockets.Row {
	r.Project, r.Service = project, service
	return r
}

// Counted returns the socket with bytes sent and received, and its round trip time in microseconds.
func Counted(r sockets.Row, sent, received uint64, rtt uint32) sockets.Row {
	r.TCP = &sockets.TCPInfo{Sent: sent, Received: received, RTT: rtt}
	return r
}

// UDP returns the socket as one of UDP.
func UDP(r sockets.Row) sockets.Row {
	r.Protocol = loopback.UDP
	r.Backlog, r.BacklogLimit = nil, nil
	return r
}

// Rows returns the sockets of the machine after n seconds.
func (s *Shop) Rows(n int) []sockets.Row {
	sec := uint64(n)
	backlog := Within(Sock(3, "listen", Home+":6379", s.Redis), "shop", "store")
	*backlog.Backlog = 3
	unknown := Sock(30, "listen", "127.0.0.1:5432")
	unknown.Unknown = true
	container := Sock(31, "listen", "0.0.0.0:9000", Process(900, "app", "app"))
	container.Namespace, container.NamespaceName = 4026532000, "web-1"
	return []sockets.Row{
		Within(Sock(1, "listen", Home+":3000", s.Node), "shop", "web"),
		Within(Sock(2, "listen", Home+":4000", s.API), "shop", "api"),
		backlog,
		Sock(4, "listen", "0.0.0.0:80", s.Nginx1, s.Nginx2),
		Sock(5, "listen", "[::]:80", s.Nginx1, s.Nginx2),
		UDP(Sock(6, "bound", "127.0.0.53:53", Process(20, "systemd-resolve", ""))),
		unknown, container,
		// A browser on the page, the page on the API, twice, the API on the store.
		Counted(Sock(10, "established", "127.0.0.1:51514>"+Home+":3000", s.Firefox), 1000*sec, 250000*sec, 85),
		Counted(Within(Sock(11, "established", Home+":3000>127.0.0.1:51514", s.Node), "shop", "web"), 250000*sec, 1000*sec, 90),
		Counted(Within(Sock(12, "established", Home+":40001>"+Home+":4000", s.Node), "shop", "web"), 300*sec, 4000*sec, 120),
		Counted(Within(Sock(13, "established", Home+":4000>"+Home+":40001", s.API), "shop", "api"), 4000*sec, 300*sec, 130),
		Counted(Within(Sock(14, "established", Home+":40002>"+Home+":4000", s.Node), "shop", "web"), 300*sec, 4000*sec, 140),
		Counted(Within(Sock(15, "established", Home+":4000>"+Home+":40002", s.API), "shop", "api"), 4000*sec, 300*sec, 130),
		Counted(Within(Sock(16, "established", Home+":40003>"+Home+":6379", s.API), "shop", "api"), 0, 0, 30),
		Counted(Within(Sock(17, "close_wait", Home+":6379>"+Home+":40003", s.Redis), "shop", "store"), 0, 0, 30),
		// Another machine on nginx, and out to another.
		Counted(Sock(18, "established", "10.0.0.2:80>10.0.0.9:60000", s.Nginx2), 5000*sec, 100*sec, 2300),
		Counted(Sock(19, "established", "10.0.0.2:45000>93.184.216.34:443", s.Firefox), 70*sec, 900*sec, 15000),
		Sock(0, "time_wait", "127.0.0.1:51000>127.0.0.1:80"),
		Sock(40, "listen", "127.0.0.1:7001", s.Wide),
		Sock(41, "listen", "127.0.0.1:7002", s.Evil),
	}
}

// Projects returns the projects of the machine.
func (s *Shop) Projects() []localapi.Project {
	started := Start().Add(-time.Hour)
	ep := func(port uint16) []loopback.Endpoint {
		return []loopback.Endpoint{{Protocol: loopback.TCP, IP: netip.MustParseAddr(Home), Port: port}}
	}
	return []localapi.Project{
		{ID: "shop-1", Name: "shop", Path: "/src/shop", Home: Home, State: "up", Services: []service.Status{
			{Name: "web", State: service.Up, PID: 412, StartedAt: &started, Endpoints: ep(3000)},
			{Name: "api", State: service.Up, PID: 398, StartedAt: &started, Endpoints: ep(4000)},
			{Name: "store", State: service.Backoff, Reason: "exited with 1", Endpoints: ep(6379)},
		}},
		{ID: "empty-1", Name: "empty", Path: "/src/empty", Home: "127.90.1.2", State: "up"},
		{ID: "down-1", Name: "down", Path: "/src/down", Home: "127.90.1.3", State: "down"},
	}
}
