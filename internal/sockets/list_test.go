package sockets

import (
	"context"
	"net"
	"net/netip"
	"os"
	"testing"

	"lodge/internal/sockets/holders"
)

// list is List in a test.
func list(t testing.TB, q Query) *Table {
	t.Helper()
	table, err := List(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// rowOf finds the row of a socket by its own address.
func rowOf(t testing.TB, table *Table, local string) *Row {
	t.Helper()
	for i := range table.Rows {
		if r := &table.Rows[i]; r.Local != nil && r.Local.AddrPort() == netip.MustParseAddrPort(local) {
			return r
		}
	}
	t.Fatalf("no socket at %s", local)
	return nil
}

func holdsIt(ps []*holders.Process, pid int) bool {
	for _, p := range ps {
		if p.PID == pid {
			return true
		}
	}
	return false
}

func TestListNamesBothEnds(t *testing.T) {
	l, err := net.Listen("tcp4", "127.83.1.4:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	table := list(t, Query{Details: true, TCPInfo: true, Filter: Filter{Ports: []uint16{port}}})
	listener := rowOf(t, table, l.Addr().String())
	if listener.State != "listen" && listener.State != "established" {
		t.Errorf("state %s", listener.State)
	}
	client := rowOf(t, table, c.LocalAddr().String())
	if client.State != "established" || client.Remote == nil || client.Remote.AddrPort().String() != l.Addr().String() {
		t.Errorf("client: %+v", client)
	}
	if client.TCP == nil {
		t.Error("no tcp_info")
	}
	if client.Peer == nil || !holdsIt(client.Peer.Processes, os.Getpid()) || !holdsIt(client.Processes, os.Getpid()) {
		t.Errorf("ends: %+v, %+v", client.Processes, client.Peer)
	}
	p := client.Processes[0]
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if p.Executable != exe || p.Directory != dir || p.ParentPID != os.Getppid() || p.Command == "" || p.Name == "" || p.StartedAt == nil || int(p.UID) != os.Geteuid() {
		t.Errorf("process: %+v", p)
	}
}
