package sockets

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/loopback"
)

func TestFilters(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	u, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6:", err)
	}
	defer u.Close()
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	full := list(t, Query{})
	name := rowOf(t, full, u.LocalAddr().String()).Processes[0].Name
	for what, q := range map[string]Query{
		"port":          {Filter: Filter{Ports: []uint16{port}}},
		"address":       {Filter: Filter{Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}},
		"process":       {Filter: Filter{PIDs: []int{os.Getpid()}}},
		"name":          {Filter: Filter{Names: []string{strings.ToUpper(name[:4])}}},
		"user":          {Filter: Filter{Users: []uint32{uint32(os.Geteuid())}}},
		"scope":         {Filter: Filter{Scopes: []loopback.Scope{"loopback"}}},
		"other scope":   {Filter: Filter{Scopes: []loopback.Scope{"lan", "multicast"}}},
		"state":         {States: []string{"listen"}},
		"tcp":           {Protocols: []string{"tcp"}},
		"udp":           {Protocols: []string{"udp"}},
		"several":       {Filter: Filter{Ports: []uint16{port}, PIDs: []int{os.Getpid()}, Names: []string{name}}},
		"no such":       {Filter: Filter{Ports: []uint16{port}, Names: []string{"nobody is called this"}}},
		"other address": {Filter: Filter{Ports: []uint16{port}, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}},
	} {
		few := list(t, q)
		have := map[uint64]bool{}
		for i := range few.Rows {
			r := &few.Rows[i]
			have[r.Cookie] = true
			if !expect(&q, r) {
				t.Errorf("%s: too much: %+v", what, r)
			}
		}
		for i := range full.Rows {
			r := &full.Rows[i]
			mine := holdsIt(r.Processes, os.Getpid()) // others come and go
			if mine && expect(&q, r) && !have[r.Cookie] {
				t.Errorf("%s: missing: %+v", what, r)
			}
		}
	}
}

// expect reports whether a row matches a query, in the plainest way.
func expect(q *Query, r *Row) bool {
	f := &q.Filter
	ips, ports, procs := []netip.Addr{r.Local.IP}, []uint16{r.Local.Port}, r.Processes
	if r.Remote != nil {
		ips, ports = append(ips, r.Remote.IP), append(ports, r.Remote.Port)
	}
	if r.Peer != nil {
		procs = append(procs[:len(procs):len(procs)], r.Peer.Processes...)
	}
	some := func(n int, f func(int) bool) bool {
		for i := range n {
			if f(i) {
				return true
			}
		}
		return n == 0
	}
	return some(len(q.States), func(i int) bool { return q.States[i] == r.State }) &&
		some(len(q.Protocols), func(i int) bool { return q.Protocols[i] == string(r.Protocol) }) &&
		some(len(f.Scopes), func(i int) bool { return f.Scopes[i] == r.Scope }) &&
		some(len(f.Users), func(i int) bool { return r.UID != nil && f.Users[i] == *r.UID || len(procs) > 0 }) &&
		some(len(f.Ports), func(i int) bool { return ports[0] == f.Ports[i] || ports[len(ports)-1] == f.Ports[i] }) &&
		some(len(f.Addresses), func(i int) bool { return f.Addresses[i].Contains(ips[0]) || f.Addresses[i].Contains(ips[len(ips)-1]) }) &&
		some(len(f.PIDs), func(i int) bool { return holdsIt(procs, f.PIDs[i]) }) &&
		some(len(f.Names), func(i int) bool {
			for _, p := range procs {
				if strings.Contains(strings.ToLower(p.Name+" "+filepath.Base(p.Executable)), strings.ToLower(f.Names[i])) {
					return true
				}
			}
			return false
		})
}
