package sockets

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lodge/internal/sockets/holders"
)

func TestDiff(t *testing.T) {
	at := func(s string) *Address {
		a := netip.MustParseAddrPort(s)
		return &Address{a.Addr(), a.Port()}
	}
	p := func(pid int, start uint64) []*holders.Process { return []*holders.Process{{PID: pid, Start: start}} }
	before := &Table{Rows: []Row{
		{Protocol: "tcp", Cookie: 1, State: "listen", Local: at("127.0.0.1:1"), Processes: p(7, 1)},
		{Protocol: "tcp", Cookie: 2, State: "established", Local: at("127.0.0.1:2"), Processes: p(7, 1)},
		{Protocol: "tcp", Cookie: 3, State: "established", Local: at("127.0.0.1:3"), Processes: p(7, 1)},
		{Protocol: "tcp", Cookie: 4, State: "established", Local: at("127.0.0.1:4"), RecvQueue: queue(1), Processes: p(7, 1)},
		{Protocol: "tcp", State: "time_wait", Local: at("127.0.0.1:5"), Remote: at("127.0.0.1:1")},
		{Protocol: "tcp", State: "time_wait", Local: at("127.0.0.1:6"), Remote: at("127.0.0.1:1")},
		{Protocol: "tcp", Cookie: 8, State: "listen", Local: at("127.0.0.1:8"), Processes: p(7, 1)},
	}}
	after := &Table{Rows: []Row{
		{Protocol: "tcp", Cookie: 2, State: "time_wait", Local: at("127.0.0.1:2")},
		{Protocol: "tcp", Cookie: 1, State: "listen", Local: at("127.0.0.1:1"), Processes: p(7, 2)},
		{Protocol: "tcp", Cookie: 4, State: "established", Local: at("127.0.0.1:4"), RecvQueue: queue(2), Processes: p(7, 1)},
		{Protocol: "tcp", State: "time_wait", Local: at("127.0.0.1:6"), Remote: at("127.0.0.1:1")},
		{Protocol: "tcp", Cookie: 9, State: "listen", Local: at("127.0.0.1:3"), Processes: p(8, 1)},
		{Protocol: "tcp", Cookie: 8, Namespace: 5, State: "listen", Local: at("127.0.0.1:8"), Processes: p(7, 1)},
	}}
	var got []string
	for _, c := range Diff(before, after) {
		got = append(got, fmt.Sprint(c.Kind, " ", c.Row().Local.Port))
	}
	want := "closed 3, closed 5, closed 8, changed 2, changed 1, opened 3, opened 8"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// Taking the changes from one table gives the other, and there are none from a
// table to itself.
func TestDiffLeadsFromOneToTheOther(t *testing.T) {
	row := rapid.Custom(func(t *rapid.T) Row {
		return Row{Protocol: "tcp", Cookie: rapid.Uint64Range(1, 20).Draw(t, "cookie"), State: rapid.SampledFrom(States()).Draw(t, "state")}
	})
	table := rapid.Map(rapid.SliceOfNDistinct(row, 0, 15, func(r Row) uint64 { return r.Cookie }), func(r []Row) *Table { return &Table{Rows: r} })
	rapid.Check(t, func(t *rapid.T) {
		a, b := table.Draw(t, "before"), table.Draw(t, "after")
		if c := Diff(a, a); len(c) != 0 {
			t.Fatalf("from a table to itself: %v", c)
		}
		have := map[uint64]string{}
		for _, r := range a.Rows {
			have[r.Cookie] = r.State
		}
		for _, c := range Diff(a, b) {
			_, was := have[c.Row().Cookie]
			switch {
			case (c.Before != nil) != was, c.Before == nil && c.After == nil:
				t.Fatalf("%+v", c)
			case c.Kind == Closed:
				delete(have, c.Before.Cookie)
			default:
				have[c.After.Cookie] = c.After.State
			}
		}
		if len(have) != len(b.Rows) {
			t.Fatalf("%v is not %v", have, b.Rows)
		}
		for _, r := range b.Rows {
			if have[r.Cookie] != r.State {
				t.Fatalf("%v is not %v", have, b.Rows)
			}
		}
	})
}
