package sockets

import (
	"net"
	"slices"
	"testing"
)

// Where nobody can be found, a quick search is a whole one.
func TestQuickOfNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	tb, err := List(t.Context(), Query{Quick: true, Filter: Filter{Ports: []uint16{port}}})
	if err != nil {
		t.Fatal(err)
	}
	// Another program's connection may have had that port a while ago.
	rows := slices.DeleteFunc(tb.Rows, func(r Row) bool { return r.State == "time_wait" })
	if len(rows) != 3 {
		t.Fatalf("%+v", rows)
	}
	for _, r := range rows {
		waits := r.State == "established" && r.Local.Port == port // not accepted: nobody's yet
		if waits != (len(r.Processes) == 0) || r.Unknown {
			t.Errorf("%+v", r)
		}
	}
	_ = l.Close()
}
