package tui

import (
	"net/netip"
	"strings"
	"time"

	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/service"
	"lodge/internal/sockets"
)

// The machine that the tests look at: the project shop with a page, an API and
// a store, a database outside, a browser that talks to the page.

var at0 = time.Date(2026, 3, 4, 15, 6, 7, 0, time.UTC)

func process(pid int, name, command string) *sockets.Process {
	return &sockets.Process{PID: pid, Start: uint64(pid) * 100, Name: name, Command: command}
}

var (
	node     = process(412, "node", "node server.js")
	api      = process(398, "python3", "python3 -m flask run")
	redis    = process(77, "redis-server", "redis-server *:6379")
	firefox  = process(1200, "firefox", "/usr/lib/firefox/firefox")
	nginx1   = process(10, "nginx", "nginx: master process")
	nginx2   = process(11, "nginx", "nginx: worker process")
	wideName = process(555, "日本語サーバー", "x")
	evilName = process(666, "evil\x1b[2J\r\nname", "x")
)

const home = "127.83.20.7"

// sock makes a row of "local" or "local>remote".
func sock(cookie uint64, state, ends string, ps ...*sockets.Process) sockets.Row {
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

func within(r sockets.Row, project, service string) sockets.Row {
	r.Project, r.Service = project, service
	return r
}

func counted(r sockets.Row, sent, received uint64, rtt uint32) sockets.Row {
	r.TCP = &sockets.TCPInfo{Sent: sent, Received: received, RTT: rtt}
	return r
}

func udp(r sockets.Row) sockets.Row {
	r.Protocol = loopback.UDP
	r.Backlog, r.BacklogLimit = nil, nil
	return r
}

// shopFrame is the machine after n seconds.
func shopFrame(n int) *Frame {
	sec := uint64(n)
	backlog := within(sock(3, "listen", home+":6379", redis), "shop", "store")
	*backlog.Backlog = 3
	unknown := sock(30, "listen", "127.0.0.1:5432")
	unknown.Unknown = true
	container := sock(31, "listen", "0.0.0.0:9000", process(900, "app", "app"))
	container.Namespace, container.NamespaceName = 4026532000, "web-1"
	rows := []sockets.Row{
		within(sock(1, "listen", home+":3000", node), "shop", "web"),
		within(sock(2, "listen", home+":4000", api), "shop", "api"),
		backlog,
		sock(4, "listen", "0.0.0.0:80", nginx1, nginx2),
		sock(5, "listen", "[::]:80", nginx1, nginx2),
		udp(sock(6, "bound", "127.0.0.53:53", process(20, "systemd-resolve", ""))),
		unknown, container,
		// A browser on the page, the page on the API, twice, the API on the store.
		counted(sock(10, "established", "127.0.0.1:51514>"+home+":3000", firefox), 1000*sec, 250000*sec, 85),
		counted(within(sock(11, "established", home+":3000>127.0.0.1:51514", node), "shop", "web"), 250000*sec, 1000*sec, 90),
		counted(within(sock(12, "established", home+":40001>"+home+":4000", node), "shop", "web"), 300*sec, 4000*sec, 120),
		counted(within(sock(13, "established", home+":4000>"+home+":40001", api), "shop", "api"), 4000*sec, 300*sec, 130),
		counted(within(sock(14, "established", home+":40002>"+home+":4000", node), "shop", "web"), 300*sec, 4000*sec, 140),
		counted(within(sock(15, "established", home+":4000>"+home+":40002", api), "shop", "api"), 4000*sec, 300*sec, 130),
		counted(within(sock(16, "established", home+":40003>"+home+":6379", api), "shop", "api"), 0, 0, 30),
		counted(within(sock(17, "close_wait", home+":6379>"+home+":40003", redis), "shop", "store"), 0, 0, 30),
		// Another machine on nginx, and out to another.
		counted(sock(18, "established", "10.0.0.2:80>10.0.0.9:60000", nginx2), 5000*sec, 100*sec, 2300),
		counted(sock(19, "established", "10.0.0.2:45000>93.184.216.34:443", firefox), 70*sec, 900*sec, 15000),
		sock(0, "time_wait", "127.0.0.1:51000>127.0.0.1:80"),
		sock(40, "listen", "127.0.0.1:7001", wideName),
		sock(41, "listen", "127.0.0.1:7002", evilName),
	}
	started := at0.Add(-time.Hour)
	ep := func(port uint16) []loopback.Endpoint {
		return []loopback.Endpoint{{Protocol: loopback.TCP, IP: netip.MustParseAddr(home), Port: port}}
	}
	return &Frame{
		Time: at0.Add(time.Duration(n) * time.Second), Rows: rows, UnknownOwners: 1,
		Projects: []localapi.Project{
			{ID: "shop-1", Name: "shop", Path: "/src/shop", Home: home, State: "up", Services: []service.Status{
				{Name: "web", State: service.Up, PID: 412, StartedAt: &started, Endpoints: ep(3000)},
				{Name: "api", State: service.Up, PID: 398, StartedAt: &started, Endpoints: ep(4000)},
				{Name: "store", State: service.Backoff, Reason: "exited with 1", Endpoints: ep(6379)},
			}},
			{ID: "empty-1", Name: "empty", Path: "/src/empty", Home: "127.90.1.2", State: "up"},
			{ID: "down-1", Name: "down", Path: "/src/down", Home: "127.90.1.3", State: "down"},
		},
	}
}

// shopUI is the screen after two frames, two seconds apart.
func shopUI(width, height int, opt Options) *ui {
	opt.Zone = time.UTC
	u, err := newUI(opt)
	if err != nil {
		panic(err)
	}
	u.Resize(width, height)
	u.Frame(shopFrame(10))
	u.Frame(shopFrame(12))
	return u
}

func (u *ui) String() string {
	var b strings.Builder
	for _, l := range u.Lines() {
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	return b.String()
}

func press(u *ui, keys ...string) []effect {
	var es []effect
	for _, k := range keys {
		es = append(es, u.Key(k)...)
	}
	return es
}
