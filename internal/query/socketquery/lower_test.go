package socketquery

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lodge/internal/loopback"
	"lodge/internal/query"
	"lodge/internal/sockets"
)

func schema() *Schema {
	return New(Options{Now: time.Unix(1e9, 0), User: func(text string) (uint32, error) {
		n := uint32(0)
		_, err := fmt.Sscan(text, &n)
		return n, err
	}})
}

func parse(t *testing.T, text string) query.Expr {
	t.Helper()
	s := schema()
	e, err := query.ParseText(text, &s.Schema)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return s.Resolve(e, func(name string) bool { return name == "shop" }, nil)
}

// The engine is told what it can check, and the rest is what it cannot.
func TestLower(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "{} rest ",
		"5432":                               "{Ports:[5432]} rest 5432",
		"node":                               "{Names:[node]} rest ",
		"shop node":                          "{Names:[node] Projects:[shop]} rest ",
		"node python[12]":                    "{PIDs:[12] Names:[node python]} rest ",
		"10.0.0.0/8 scope=lan":               "{Addresses:[10.0.0.0/8] Scopes:[lan]} rest ",
		"53/udp":                             "{Ports:[53]} udp rest 53/udp",
		"127.0.0.1:80 443":                   "{Ports:[80 443]} rest (127.0.0.1:80 or 443)",
		"shop lib/web":                       "{Projects:[lib] Services:[web]} rest lib/web",
		"service=web":                        "{Services:[web]} rest ",
		"process=Node":                       "{Names:[Node]} rest process=Node",
		"user=0":                             "{Users:[0]} rest ",
		"pid=1-5":                            "{} rest pid=1-5",
		"port>=3000":                         "{} rest port>=3000",
		"5432 or 6379":                       "{Ports:[5432 6379]} rest (5432 or 6379)",
		"(5432 psql) or (6379 redis)":        "{Ports:[5432 6379] Names:[psql redis]} rest ((5432 and process~psql) or (6379 and process~redis))",
		"5432 or psql":                       "{} details rest (5432 or process~psql)",
		"not 5432":                           "{} rest not 5432",
		"not (port!=5432 or pid=1)":          "{Ports:[5432]} rest not (not port=5432 or pid=1)",
		"protocol!=udp":                      "{} tcp rest not protocol=udp",
		"state=listen,time_wait":             "{} states [listen time_wait] rest ",
		"state=listen and 80":                "{Ports:[80]} states [listen] rest 80",
		"lport=80 or rport=81":               "{Ports:[80 81]} rest (lport=80 or rport=81)",
		"local=127.0.0.1 or remote=10.1.1.1": "{Addresses:[127.0.0.1/32 10.1.1.1/32]} rest (local=127.0.0.1 or remote=10.1.1.1)",
		"path=/run/x":                        "{Paths:[/run/x]} unix rest ",
		"path=/run/x or port=80":             "{} unix rest (path=/run/x or port=80)",
		"protocol=udp and (port=3 or path=/run/x)": "{} udp rest (port=3 or path=/run/x)",
		"rtt>10ms":          "{} tcpinfo rest rtt>10ms",
		"not node":          "{} details rest not process~node",
		"command~x or node": "{} details rest (command~x or process~node)",
		"user>=1000":        "{} rest user>=1000",
		`project=""`:        `{} rest project=""`,
	} {
		q, rest := Lower(parse(t, text), sockets.Query{})
		var left []string
		for _, part := range conjunction(rest) {
			left = append(left, query.String(part))
		}
		if got := filterText(q) + " rest " + strings.Join(left, " and "); got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

// filterText writes down what the engine is told.
func filterText(q sockets.Query) string {
	var out []string
	add := func(name string, n int, list any) {
		if n > 0 {
			out = append(out, fmt.Sprintf("%s:%v", name, list))
		}
	}
	f := &q.Filter
	add("Ports", len(f.Ports), f.Ports)
	add("Addresses", len(f.Addresses), f.Addresses)
	add("PIDs", len(f.PIDs), f.PIDs)
	add("Names", len(f.Names), f.Names)
	add("Users", len(f.Users), f.Users)
	add("Projects", len(f.Projects), f.Projects)
	add("Services", len(f.Services), f.Services)
	add("Scopes", len(f.Scopes), f.Scopes)
	add("Paths", len(f.Paths), f.Paths)
	text := "{" + strings.Join(out, " ") + "}"
	switch {
	case q.Unix:
		text += " unix"
	case len(q.Protocols) > 0:
		text += " " + strings.Join(q.Protocols, ",")
	case len(q.States) > 0:
		text += fmt.Sprintf(" states %v", q.States)
	case q.TCPInfo:
		text += " tcpinfo"
	case q.Details:
		text += " details"
	}
	return text
}

// engine is what sockets.Filter promises, on rows.
func engine(q *sockets.Query, r *sockets.Row) bool {
	f := &q.Filter
	unix := r.Protocol == protocolUnix
	switch {
	case len(q.Protocols) > 0 && !slices.Contains(q.Protocols, string(r.Protocol)) && !(unix && q.Unix),
		len(q.Protocols) == 0 && unix && !q.Unix,
		len(q.States) > 0 && !slices.Contains(q.States, r.State),
		unix && len(f.Ports)+len(f.Addresses)+len(f.Scopes) > 0,
		!unix && len(f.Paths) > 0:
		return false
	}
	either := func(n int, has func(*sockets.Address) bool) bool {
		return n == 0 || r.Local != nil && has(r.Local) || r.Remote != nil && has(r.Remote)
	}
	peer := sockets.Peer{}
	if r.Peer != nil {
		peer = *r.Peer
	}
	ps := slices.Concat(r.Processes, peer.Processes)
	if r.Closed != nil {
		ps = append(ps, r.Closed)
	}
	anyProcess := func(n int, is func(p *sockets.Process) bool) bool { return n == 0 || slices.ContainsFunc(ps, is) }
	anyOf := func(want []string, got ...string) bool {
		return len(want) == 0 || slices.ContainsFunc(got, func(s string) bool { return s != "" && slices.Contains(want, s) })
	}
	return either(len(f.Ports), func(a *sockets.Address) bool { return slices.Contains(f.Ports, a.Port) }) &&
		either(len(f.Addresses), func(a *sockets.Address) bool {
			return slices.ContainsFunc(f.Addresses, func(p netip.Prefix) bool { return p.Contains(a.IP) })
		}) &&
		(len(f.Scopes) == 0 || slices.Contains(f.Scopes, r.Scope)) &&
		anyOf(f.Paths, r.Path, peer.Path) && anyOf(f.Projects, r.Project, peer.Project) && anyOf(f.Services, r.Service, peer.Service) &&
		anyProcess(len(f.PIDs), func(p *sockets.Process) bool { return slices.Contains(f.PIDs, p.PID) }) &&
		anyProcess(len(f.Names), func(p *sockets.Process) bool {
			return slices.ContainsFunc(f.Names, func(n string) bool {
				n = strings.ToLower(n)
				return strings.Contains(strings.ToLower(p.Name), n) || p.Executable != "" && strings.Contains(strings.ToLower(path.Base(p.Executable)), n)
			})
		}) &&
		(len(f.Users) == 0 || r.UID != nil && slices.Contains(f.Users, *r.UID) ||
			slices.ContainsFunc(r.Processes, func(p *sockets.Process) bool { return slices.Contains(f.Users, p.UID) }))
}

// filters are words of every kind, to be put together.
func filters() *rapid.Generator[string] {
	word := rapid.SampledFrom([]string{
		"1", "2", "3", "1-2", "port=1-2", "port!=2", "port>1", "lport=1", "rport=2", "127.0.0.1:1", "10.0.0.0/8:2", "127.0.0.1", "address!=127.0.0.1", "local=127.0.0.0/8", "remote=10.0.0.1",
		"1/udp", "2/tcp", "protocol=udp", "protocol!=tcp", "protocol=unix", "family=ipv4", "family!=unix", "state=listen", "state!=listen", "state=established,bound",
		"scope=loopback", "scope!=lan", "/run/x.sock", "path=/run/x.sock", "path!=/run/y",
		"node", "shop", "process=node", "process!=node", "process~NOD", "process!~x", "pid=1", "pid!=1", "pid>1", "node[1]", "user=0", "user!=0", "executable~bin",
		"project=shop", "project!=shop", `project=""`, "service=web", "service=shop/web", "shop/web", "service!=shop/web", "service~w",
	})
	var tree func(depth int) *rapid.Generator[string]
	tree = func(depth int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string {
			if depth == 0 {
				return word.Draw(t, "word")
			}
			a, b := tree(depth-1).Draw(t, "a"), tree(depth-1).Draw(t, "b")
			return []string{a, "(" + a + ") and (" + b + ")", "(" + a + ") or (" + b + ")", "not (" + a + ")", a + " " + b, "(" + a + " or " + b + ") " + b}[rapid.IntRange(0, 5).Draw(t, "form")]
		})
	}
	return tree(3)
}

func rows() *rapid.Generator[*sockets.Row] {
	addr := rapid.Custom(func(t *rapid.T) *sockets.Address {
		ip := netip.MustParseAddr(rapid.SampledFrom([]string{"127.0.0.1", "10.0.0.1", "0.0.0.0", "::", "::1"}).Draw(t, "ip"))
		return &sockets.Address{IP: ip, Port: uint16(rapid.IntRange(1, 3).Draw(t, "port"))}
	})
	process := rapid.Custom(func(t *rapid.T) *sockets.Process {
		return &sockets.Process{
			PID: rapid.IntRange(1, 3).Draw(t, "pid"), Name: rapid.SampledFrom([]string{"node", "Node-x", "MainThread", "sh"}).Draw(t, "name"),
			Executable: rapid.SampledFrom([]string{"", "/usr/bin/node", "/bin/sh"}).Draw(t, "executable"), UID: uint32(rapid.IntRange(0, 1).Draw(t, "uid")),
		}
	})
	processes := rapid.SliceOfN(process, 0, 2)
	text := func(list ...string) *rapid.Generator[string] { return rapid.SampledFrom(list) }
	return rapid.Custom(func(t *rapid.T) *sockets.Row {
		r := &sockets.Row{
			Protocol: loopback.Protocol(text("tcp", "udp", "unix").Draw(t, "protocol")), State: text("listen", "established", "bound").Draw(t, "state"),
			Processes: processes.Draw(t, "processes"), Project: text("", "shop", "lib").Draw(t, "project"), Service: text("", "web", "db").Draw(t, "service"),
		}
		if rapid.Bool().Draw(t, "owned") {
			uid := uint32(rapid.IntRange(0, 1).Draw(t, "owner"))
			r.UID = &uid
		}
		if rapid.Bool().Draw(t, "paired") {
			r.Peer = &sockets.Peer{Processes: processes.Draw(t, "peers"), Project: text("", "shop").Draw(t, "project"), Service: text("", "web").Draw(t, "service")}
		}
		if len(r.Processes) == 0 && rapid.Bool().Draw(t, "closed") {
			r.Closed = process.Draw(t, "closed by")
		}
		if r.Protocol == protocolUnix {
			r.Family, r.Path = "unix", text("", "/run/x.sock", "/run/y").Draw(t, "path")
			if r.Peer != nil {
				r.Peer.Path = text("", "/run/x.sock").Draw(t, "peer path")
			}
			return r
		}
		r.Family, r.Local, r.Scope = text("ipv4", "ipv6").Draw(t, "family"), addr.Draw(t, "local"), loopback.Scope(text("loopback", "lan", "all-interfaces").Draw(t, "scope"))
		if r.State == "established" {
			r.Remote = addr.Draw(t, "remote")
		}
		return r
	})
}

// What the filter keeps, the engine does not leave out; and of what the engine
// returns, the rest keeps what the filter does.
func TestLoweringLosesNothing(t *testing.T) {
	words, all := filters(), rows()
	s := schema()
	rapid.Check(t, func(t *rapid.T) {
		text := words.Draw(t, "filter")
		e, err := query.ParseText(text, &s.Schema)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		e = s.Resolve(e, func(name string) bool { return name == "shop" }, nil)
		q, rest := Lower(e, sockets.Query{})
		keep := Keep(rest, time.Now)
		for range 5 {
			r := all.Draw(t, "row")
			if r.Protocol == protocolUnix && !q.Unix && !slices.Contains(q.Protocols, protocolUnix) {
				continue // they are read on demand only
			}
			want, told := Keep(e, time.Now)(r), engine(&q, r)
			if want && !told {
				t.Fatalf("%s: the engine, told %s, leaves out %+v", query.String(e), filterText(q), r)
			}
			if told && want != (keep == nil || keep(r)) {
				t.Fatalf("%s: the engine, told %s, and the rest %s are wrong about %+v", query.String(e), filterText(q), query.String(rest), r)
			}
		}
	})
}
