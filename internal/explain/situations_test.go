package explain

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/firewall"
	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

var (
	now   = time.Date(2026, 3, 4, 15, 4, 5, 0, time.UTC)
	home4 = netip.MustParseAddr("127.83.20.7")
)

// known returns the facts of a question on a machine on which nothing listens.
func known(t *testing.T, question string, more ...func(*facts.Facts)) *facts.Facts {
	t.Helper()
	in, err := input.Parse(question)
	if err != nil {
		t.Fatal(err)
	}
	f := &facts.Facts{
		Question: in, Now: now, UID: 1000, User: "ann", LowPorts: true, Targets: in.IPs,
		Local:  map[netip.Addr]string{netip.MustParseAddr("127.0.0.1"): "lo", netip.IPv6Loopback(): "lo", netip.MustParseAddr("192.168.1.5"): "eth0"},
		Kernel: facts.Kernel{EphemeralFirst: 32768, EphemeralLast: 60999, UnprivilegedStart: 1024},
	}
	if in.Unix != "" {
		f.Unix = &facts.UnixSocket{Path: in.Unix, Abstract: strings.HasPrefix(in.Unix, "@")}
	}
	for _, m := range more {
		m(f)
	}
	return f
}

func node() *sockets.Process {
	started := now.Add(-3 * time.Minute)
	return &sockets.Process{PID: 4242, Name: "node", Command: "node server.js", Directory: "/home/ann/shop", User: "ann", StartedAt: &started}
}

func at(s string) *sockets.Address {
	a := netip.MustParseAddrPort(s)
	return &sockets.Address{IP: a.Addr(), Port: a.Port()}
}

// socket adds a TCP socket in a state, of the process node.
func socket(state, local, remote string, change ...func(*sockets.Row)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		r := sockets.Row{Protocol: loopback.TCP, Family: "ipv4", State: state, Local: at(local), Inode: uint32(100 + len(f.Rows)), Processes: []*sockets.Process{node()}}
		if remote != "" {
			r.Remote = at(remote)
		}
		for _, c := range change {
			c(&r)
		}
		f.Rows = append(f.Rows, r)
	}
}

// pathSocket adds a Unix socket of a type, and its file.
func pathSocket(state, kind string, change ...func(*sockets.Row)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Unix.Exists, f.Unix.Socket = true, true
		r := sockets.Row{Protocol: "unix", Family: "unix", State: state, Type: kind, Path: f.Unix.Path, Processes: []*sockets.Process{node()}}
		for _, c := range change {
			c(&r)
		}
		f.Rows = append(f.Rows, r)
	}
}

func byGone(r *sockets.Row) { r.Processes, r.Closed = nil, node() }

func noHolder(r *sockets.Row) { r.Processes = nil }

func full(r *sockets.Row) {
	waiting, limit := uint32(3), uint32(2)
	r.Backlog, r.BacklogLimit = &waiting, &limit
}

func ofNode(state byte) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Processes = map[int]facts.Process{4242: {State: state, Ancestors: []facts.Ancestor{{PID: 4000, Name: "bash"}, {PID: 1, Name: "systemd"}}}}
	}
}

// project adds a project with one service.
func project(s facts.Service) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Projects = append(f.Projects, facts.Project{Name: "shop", Path: "/home/ann/shop", Home4: home4, Engine: loopback.EBPF, KeeperPID: 77, Services: []facts.Service{s}})
	}
}

// named makes the name of the question one of lodge's.
func named(change func(*facts.Name)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		domain := "localhost"
		if strings.HasSuffix(f.Question.Name, ".test") {
			domain = "test"
		}
		f.Name = &facts.Name{
			Domain: domain, Project: "shop", Path: "/home/ann/shop", Home: home4, Up: true, HTTP: true, HostName: "web.shop.test",
			URL: "https://web.shop.localhost", ServerPID: 78, Port: 443, Service: &facts.Service{Name: "web", State: "ready", Endpoints: []loopback.Endpoint{{Protocol: loopback.TCP, IP: home4, Port: 8000}}},
		}
		f.Resolution = &facts.Resolution{Source: "RFC 6761", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
		f.Targets = f.Resolution.Addresses
		change(f.Name)
	}
}

func filter(ip string, x firewall.Finding) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Filter = map[netip.Addr]firewall.Result{netip.MustParseAddr(ip): {Findings: []firewall.Finding{x}}}
	}
}

// situations are facts in which each rule finds its cause.
func situations(t *testing.T) map[string]*facts.Facts {
	three := 3
	far := netip.MustParseAddr("10.9.8.7")
	service := func(state string, ended bool) func(*facts.Name) {
		return func(n *facts.Name) {
			n.Service.State, n.Service.Ended, n.Service.Endpoints = state, ended, nil
			if ended {
				n.Service.Reason = "ended with status 3"
			}
		}
	}
	reused := func(r *sockets.Row) {
		r.Processes = []*sockets.Process{{PID: 5151, Name: "python3", Command: "python3 other.py", Directory: "/home/ann"}}
	}
	const refused, inUse, late = "connect ECONNREFUSED 127.0.0.1:3000", "listen tcp 127.0.0.1:3000: bind: address already in use", "dial tcp 127.0.0.1:3000: i/o timeout"
	stale := func(f *facts.Facts) {
		f.Unix.Exists, f.Unix.Socket, f.Unix.Mode, f.Unix.User, f.Unix.Group = true, true, "-rwxr-xr-x", "ann", "ann"
	}
	return map[string]*facts.Facts{
		"connect: nobody": known(t, refused),
		"connect: nobody, a usual port": known(t, "connect ECONNREFUSED 127.0.0.1:5432",
			socket("time_wait", "127.0.0.1:5432", "127.0.0.1:41000", noHolder)),
		"connect: nobody, another protocol":    known(t, refused, socket("bound", "127.0.0.1:3000", "", func(r *sockets.Row) { r.Protocol = loopback.UDP })),
		"connect: nobody, another user's home": known(t, refused, socket("listen", "127.90.1.1:3000", "", func(r *sockets.Row) { r.Scope = loopback.ScopeHome })),
		"connect: IPv6 only":                   known(t, refused, socket("listen", "[::1]:3000", ""), ofNode('S')),
		"connect: another address":             known(t, "connect ECONNREFUSED 192.168.1.5:3000", socket("listen", "127.0.0.1:3000", "")),
		"connect: home":                        known(t, refused, project(facts.Service{Name: "web"}), socket("listen", "127.83.20.7:3000", "")),
		"connect: container": known(t, refused, func(f *facts.Facts) {
			f.Elsewhere = []sockets.Row{{Protocol: loopback.TCP, State: "listen", Local: at("127.0.0.1:3000"), Namespace: 4026532000, Processes: []*sockets.Process{{PID: 90, Name: "web", Container: strings.Repeat("ab", 32)}}}}
		}),
		"connect: network namespace": known(t, "connect ECONNREFUSED 10.9.8.7:3000", func(f *facts.Facts) {
			f.Namespaces = map[netip.Addr]sockets.Namespace{far: {Inode: 4026532000, Name: "box"}}
		}),
		"connect: bound":         known(t, refused, socket("bound", "127.0.0.1:3000", "")),
		"connect: service ended": known(t, refused, project(facts.Service{Name: "web", State: "failed", Ended: true, Exit: &three, Reason: "exit status 3", Ports: []uint16{3000}})),
		"connect: server ended":  known(t, refused, socket("fin_wait_2", "127.0.0.1:3000", "127.0.0.1:41000", byGone), func(f *facts.Facts) { f.Gone = map[int]bool{4242: true} }),
		"connect: family": known(t, "localhost:3000", socket("listen", "127.0.0.1:3000", ""), func(f *facts.Facts) {
			f.Resolution = &facts.Resolution{Source: "hosts file", Addresses: []netip.Addr{netip.IPv6Loopback(), facts.Loopback4}, Lines: []string{"::1 localhost", "127.0.0.1 localhost"}}
			f.Targets = f.Resolution.Addresses
		}),
		"connect: listens now": known(t, refused, socket("listen", "127.0.0.1:3000", "")),
		"connect: kept by lodge": known(t, "connect ECONNREFUSED 127.83.20.7:3000", project(facts.Service{Name: "web", State: "starting", Ports: []uint16{3000}}),
			socket("listen", "127.83.20.7:3000", "", func(r *sockets.Row) { r.Processes = []*sockets.Process{{PID: 77, Name: "lodge"}} }),
			func(f *facts.Facts) { f.Local[home4], f.Own = "lo", map[int]string{77: "keeper"} }),
		"connect: backlog":       known(t, late, socket("listen", "127.0.0.1:3000", "", full)),
		"connect: no descriptor": known(t, late, socket("listen", "127.0.0.1:3000", "", full), func(f *facts.Facts) { f.Descriptors = map[int]facts.Descriptors{4242: {Open: 1024, Limit: 1024}} }),
		"connect: stopped":       known(t, late, socket("listen", "127.0.0.1:3000", ""), ofNode('T')),
		"connect: debugger":      known(t, late, socket("listen", "127.0.0.1:3000", ""), ofNode('t')),
		"connect: shared":        known(t, "127.0.0.1:3000", socket("listen", "127.0.0.1:3000", ""), socket("listen", "127.0.0.1:3000", "", reused)),
		"connect: CLOSE_WAIT":    known(t, "127.0.0.1:3000", socket("listen", "127.0.0.1:3000", ""), socket("close_wait", "127.0.0.1:3000", "127.0.0.1:41000")),
		"connect: forwards": known(t, "connection reset by peer 127.0.0.1:3000", socket("listen", "127.0.0.1:3000", ""), func(f *facts.Facts) {
			f.Forwards = []facts.Forward{{Proxy: node(), To: netip.MustParseAddrPort("172.17.0.2:80"), Known: true}}
		}),
		"connect: descriptors":         known(t, "accept tcp 127.0.0.1:3000: accept4: too many open files", socket("listen", "127.0.0.1:3000", ""), func(f *facts.Facts) { f.Descriptors = map[int]facts.Descriptors{4242: {Open: 1024, Limit: 1024}} }),
		"connect: descriptors, nobody": known(t, "accept tcp 127.0.0.1:3000: accept4: too many open files"),
		"connect: exhausted": known(t, "dial tcp 127.0.0.1:3000: connect: cannot assign requested address", func(f *facts.Facts) { f.Kernel.EphemeralFirst, f.Kernel.EphemeralLast = 40000, 40000 },
			socket("listen", "127.0.0.1:3000", ""), socket("established", "127.0.0.1:40000", "127.0.0.1:3000")),
		"connect: lo down": known(t, "dial tcp 127.0.0.1:3000: connect: network is unreachable", func(f *facts.Facts) { f.LoDown = true }),
		"connect: no route": known(t, "dial tcp 10.9.8.7:80: connect: network is unreachable", func(f *facts.Facts) {
			f.Routes = map[netip.Addr]facts.Route{far: {Type: "none", Err: "network is unreachable", DownLink: "eth1"}}
		}),
		"connect: prohibited": known(t, "dial tcp 10.9.8.7:80: connect: permission denied", func(f *facts.Facts) {
			f.Routes = map[netip.Addr]facts.Route{far: {Type: "prohibit", Err: "permission denied"}}
		}),
		"connect: no route then": known(t, "dial tcp 127.0.0.1:3000: connect: no route to host", socket("listen", "127.0.0.1:3000", "")),
		"connect: firewall": known(t, late, socket("listen", "127.0.0.1:3000", ""), filter("127.0.0.1", firewall.Finding{
			Outcome: firewall.Drop, Sure: true, Hook: "input", Chain: "inet dev in", Rule: "tcp dport 3000 drop", Comment: "no shop", Delete: "nft delete rule inet dev in handle 4",
		})),
		"connect: firewall, may be": known(t, late, socket("listen", "127.0.0.1:3000", ""), filter("127.0.0.1", firewall.Finding{Outcome: firewall.Reject, Reply: true, Hook: "output", Chain: "inet dev out", Rule: "limit rate 1/second reject"})),

		"bind: held":           known(t, inUse, socket("listen", "127.0.0.1:3000", ""), ofNode('S')),
		"bind: inherited":      known(t, inUse, socket("listen", "127.0.0.1:3000", ""), func(f *facts.Facts) { f.Inherited = map[uint32]int{100: 4242} }),
		"bind: shared":         known(t, inUse, socket("listen", "127.0.0.1:3000", ""), socket("listen", "127.0.0.1:3000", "", reused)),
		"bind: home":           known(t, "listen tcp 0.0.0.0:3000: bind: address already in use", project(facts.Service{Name: "web"}), socket("listen", "127.83.20.7:3000", "")),
		"bind: maybe in home":  known(t, inUse, project(facts.Service{Name: "web"}), socket("listen", "127.83.20.7:3000", "")),
		"bind: self":           known(t, "listen tcp 127.0.0.1:40000: bind: address already in use", socket("established", "127.0.0.1:40000", "127.0.0.1:40000")),
		"bind: taken":          known(t, "listen tcp 127.0.0.1:40000: bind: address already in use", socket("established", "127.0.0.1:40000", "127.0.0.1:5432")),
		"bind: left":           known(t, inUse, socket("established", "127.0.0.1:3000", "127.0.0.1:41000")),
		"bind: TIME_WAIT":      known(t, inUse, socket("time_wait", "127.0.0.1:3000", "127.0.0.1:41000", noHolder)),
		"bind: free":           known(t, inUse),
		"bind: not in the way": known(t, inUse, socket("listen", "127.0.0.2:3000", "")),
		"bind: address here":   known(t, "listen tcp 127.0.0.1:3000: bind: cannot assign requested address"),
		"bind: not local":      known(t, "listen tcp 10.9.8.7:3000: bind: cannot assign requested address"),
		"bind: privileged":     known(t, "listen tcp 127.0.0.1:80: bind: permission denied", func(f *facts.Facts) { f.LowPorts = false }),
		"connect: not local":   known(t, "dial tcp 10.9.8.7:3000: i/o timeout"),
		"connect: no ::1":      known(t, "connect ECONNREFUSED ::1:3000", func(f *facts.Facts) { delete(f.Local, netip.IPv6Loopback()) }),

		"name: not up":      known(t, "web.shop.localhost", named(func(n *facts.Name) { n.Up = false })),
		"name: not running": known(t, "web.shop.localhost:443", named(service("stopped", true)), socket("listen", "127.0.0.1:443", "")),
		"name: died":        known(t, "web.shop.localhost:443", named(func(n *facts.Name) { service("failed", true)(n); n.Service.Exit = &three }), socket("listen", "127.0.0.1:443", "")),
		"name: no service":  known(t, "nix.shop.localhost", named(func(n *facts.Name) { n.Service, n.Missing, n.Others = nil, "nix", []string{"api", "web"} })),
		"name: no default":  known(t, "shop.localhost:443", named(func(n *facts.Name) { n.Service, n.Others = nil, []string{"api", "web"} }), socket("listen", "127.0.0.1:443", "")),
		"name: starting":    known(t, "web.shop.localhost:443", named(service("starting", false)), socket("listen", "127.0.0.1:443", "")),
		"name: silent":      known(t, "web.shop.localhost:443", named(service("ready", false)), socket("listen", "127.0.0.1:443", "")),
		"name: not HTTP":    known(t, "web.shop.localhost:443", named(func(n *facts.Name) { n.HTTP = false }), socket("listen", "127.0.0.1:443", "")),
		"name: other port":  known(t, "connect ECONNREFUSED web.shop.localhost:3000", named(func(*facts.Name) {})),
		"name: C library":   known(t, "getaddrinfo ENOTFOUND web.shop.localhost", named(func(*facts.Name) {})),
		"name: only lodge":  known(t, "web.shop.test:8000", named(func(n *facts.Name) { n.Unresolved = "there is no helper" })),
		"name: unknown":     known(t, "db:5432", func(f *facts.Facts) { f.Resolution = &facts.Resolution{Source: "DNS", Err: "no such name"} }),

		"path: missing":         known(t, "dial unix /run/a.sock: connect: no such file or directory"),
		"path: same name":       known(t, "dial unix /run/a.sock: connect: no such file or directory", func(f *facts.Facts) { f.Unix.MissingDirectory, f.Unix.Same = "/run/x", []string{"/tmp/a.sock"} }),
		"path: stale":           known(t, "dial unix /run/a.sock: connect: connection refused", stale),
		"path: denied":          known(t, "dial unix /run/a.sock: connect: permission denied", stale, func(f *facts.Facts) { f.Unix.DeniedBy = "/run/a.sock" }),
		"path: no socket":       known(t, "dial unix /run/a.sock: connect: connection refused", stale, func(f *facts.Facts) { f.Unix.Socket = false }),
		"path: loop":            known(t, "dial unix /run/a.sock: connect: connection refused", func(f *facts.Facts) { f.Unix.LinkLoop = true }),
		"path: abstract":        known(t, "@a"),
		"path: listens now":     known(t, "dial unix /run/a.sock: connect: connection refused", pathSocket("listen", "stream")),
		"path: type":            known(t, "dial unix /run/a.sock: connect: protocol wrong type for socket", pathSocket("bound", "datagram")),
		"path: backlog":         known(t, "Error: connect EAGAIN /run/a.sock", pathSocket("listen", "stream", full)),
		"path: stopped":         known(t, "Error: connect EAGAIN /run/a.sock", pathSocket("listen", "stream"), ofNode('T')),
		"path: bind, held":      known(t, "listen unix /run/a.sock: bind: address already in use", pathSocket("listen", "stream")),
		"path: bind, stale":     known(t, "listen unix /run/a.sock: bind: address already in use", stale),
		"path: bind, no socket": known(t, "listen unix /run/a.sock: bind: address already in use", stale, func(f *facts.Facts) { f.Unix.Socket, f.Unix.Directory = false, true }),
		"path: bind, missing":   known(t, "listen unix /run/x/a.sock: bind: no such file or directory", func(f *facts.Facts) { f.Unix.MissingDirectory = "/run/x" }),
		"path: bind, denied":    known(t, "listen unix /run/a.sock: bind: permission denied", func(f *facts.Facts) { f.Unix.DirectoryDenied = true }),
		"path: bind, free":      known(t, "listen unix /run/a.sock: bind: address already in use"),
	}
}
