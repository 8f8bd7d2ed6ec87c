package sockets

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/sockets/holders"
)

// fakeLive is a live map that a test makes.
type fakeLive struct {
	owners *holders.Owners
	err    error
}

func (f fakeLive) Owners(context.Context) (*holders.Owners, error) { return f.owners, f.err }

func TestLive(t *testing.T) {
	l, err := net.Listen("tcp4", "127.83.1.8:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	plain := list(t, Query{})
	row := rowOf(t, plain, l.Addr().String())
	at := time.Now()
	ended := &holders.Process{PID: 4000000, Start: 1, Name: "ended"}
	addr := netip.MustParseAddrPort(l.Addr().String())
	live := fakeLive{owners: holders.NewOwners(
		[]*holders.Process{{PID: os.Getpid(), Start: row.Processes[0].Start, Name: "old"}, ended},
		[]holders.Holding{{Inode: row.Inode, Process: 0, Opened: at.UnixNano()}, {Inode: row.Inode, Process: 1}, {Inode: row.Inode, Process: 7}},
	)}
	got := rowOf(t, list(t, Query{Live: live, Details: true}), l.Addr().String())
	if len(got.Processes) != 2 || got.Processes[0].PID != os.Getpid() || got.Processes[1].PID != ended.PID {
		t.Fatalf("holders %+v", got.Processes)
	}
	if p := got.Processes[0]; p.Name != row.Processes[0].Name || p.Executable == "" || p.StartedAt == nil {
		t.Errorf("not completed from /proc: %+v", p)
	}
	if p := got.Processes[1]; p.Name != "ended" || p.Executable != "" {
		t.Errorf("completed with somebody else: %+v", p)
	}
	if live.owners.Processes[0].Name != "old" {
		t.Error("the map's own process was changed")
	}
	if got.OpenedAt == nil || !got.OpenedAt.Equal(at) {
		t.Errorf("opened at %v", got.OpenedAt)
	}
	// Who has the id now is not who the map saw.
	live.owners.Processes[0].Start--
	got = rowOf(t, list(t, Query{Live: live, Details: true}), l.Addr().String())
	if p := got.Processes[0]; p.Name != "old" || p.Executable != "" {
		t.Errorf("another process's facts: %+v", p)
	}
	// A socket without holders is its last owner's.
	c, err := net.Dial("tcp4", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	local := netip.MustParseAddrPort(c.LocalAddr().String())
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	_ = s.Close()
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &st); err != nil {
		t.Fatal(err)
	}
	live.owners.Closed = func() map[holders.Ends]holders.LastOwner {
		return map[holders.Ends]holders.LastOwner{{Protocol: "tcp", Namespace: uint32(st.Ino), Local: local, Remote: addr}: {Process: ended}}
	}
	table := list(t, Query{Live: live, States: []string{"time_wait", "fin_wait_2", "last_ack", "fin_wait_1"}, Filter: Filter{Ports: []uint16{addr.Port()}}})
	got = rowOf(t, table, local.String()) // by the listener's port it is the only one
	if got.Closed == nil || got.Closed.Name != "ended" || len(got.Processes) != 0 {
		t.Errorf("closed: %+v", got)
	}
	// A map that does not answer is done without.
	table = list(t, Query{Live: fakeLive{err: errors.New("gone away")}})
	if got := rowOf(t, table, l.Addr().String()); !holdsIt(got.Processes, os.Getpid()) {
		t.Errorf("without the map: %+v", got)
	}
	if len(table.Warnings) != 1 || !strings.Contains(table.Warnings[0], "gone away") {
		t.Errorf("warnings %q", table.Warnings)
	}
}
