package top

import (
	"net/netip"
	"testing"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

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
		m, err := parseFilter(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := m(r); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"99999", "node/", "nonsense:80"} {
		if _, err := parseFilter(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
