package track

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lodge/internal/sockets"
)

func TestDiff(t *testing.T) {
	at := func(s string) *sockets.Address {
		a := netip.MustParseAddrPort(s)
		return &sockets.Address{IP: a.Addr(), Port: a.Port()}
	}
	p := func(pid int, start uint64) []*sockets.Process { return []*sockets.Process{{PID: pid, Start: start}} }
	before := &sockets.Table{Rows: []sockets.Row{
		{Protocol: "tcp", Cookie: 1, State: "listen", Local: at("127.0.0.1:1"), Processes: p(7, 1)},
		{Protocol: "tcp", Cookie: 2, State: "established", Local: at("127.0.0.1:2"), Processes: p(7, 1)},
		{Protocol: "tcp", Cookie: 3, State: "established", Local: at("127.0.0.1:3"), Processes: p(7, 1)},
		{Protocol: "tcp", Cookie: 4, State: "established", Local: at("127.0.0.1:4"), RecvQueue: new(uint32(1)), Processes: p(7, 1)},
		{Protocol: "tcp", State: "time_wait", Local: at("127.0.0.1:5"), Remote: at("127.0.0.1:1")},
		{Protocol: "tcp", State: "time_wait", Local: at("127.0.0.1:6"), Remote: at("127.0.0.1:1")},
		{Protocol: "tcp", Cookie: 8, State: "listen", Local: at("127.0.0.1:8"), Processes: p(7, 1)},
	}}
	after := &sockets.Table{Rows: []sockets.Row{
		{Protocol: "tcp", Cookie: 2, State: "time_wait", Local: at("127.0.0.1:2")},
		{Protocol: "tcp", Cookie: 1, State: "listen", Local: at("127.0.0.1:1"), Processes: p(7, 2)},
		{Protocol: "tcp", Cookie: 4, State: "established", Local: at("127.0.0.1:4"), RecvQueue: new(uint32(2)), Processes: p(7, 1)},
		{Protocol: "tcp", State: "time_wait", Local: at("127.0.0.1:6"), Remote: at("127.0.0.1:1")},
		{Protocol: "tcp", Cookie: 9, State: "listen", Local: at("127.0.0.1:3"), Processes: p(8, 1)},
		{Protocol: "tcp", Cookie: 8, Namespace: 5, State: "listen", Local: at("127.0.0.1:8"), Processes: p(7, 1)},
	}}
	var got []string
	for _, c := range Diff(before, after, time.Now()) {
		got = append(got, fmt.Sprint(c.Kind, " ", c.Row().Local.Port))
	}
	want := "close 3, close 5, close 8, state 2, holder 1, open 3, open 8"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// Taking the changes from one table gives the other, and there are none from a
// table to itself.
func TestDiffLeadsFromOneToTheOther(t *testing.T) {
	row := rapid.Custom(func(t *rapid.T) sockets.Row {
		return sockets.Row{Protocol: "tcp", Cookie: rapid.Uint64Range(1, 20).Draw(t, "cookie"), State: rapid.SampledFrom(sockets.States()).Draw(t, "state")}
	})
	table := rapid.Map(rapid.SliceOfNDistinct(row, 0, 15, func(r sockets.Row) uint64 { return r.Cookie }), func(r []sockets.Row) *sockets.Table { return &sockets.Table{Rows: r} })
	rapid.Check(t, func(t *rapid.T) {
		a, b := table.Draw(t, "before"), table.Draw(t, "after")
		if c := Diff(a, a, time.Now()); len(c) != 0 {
			t.Fatalf("from a table to itself: %v", c)
		}
		have := map[uint64]string{}
		for _, r := range a.Rows {
			have[r.Cookie] = r.State
		}
		for _, c := range Diff(a, b, time.Now()) {
			_, was := have[c.Row().Cookie]
			switch {
			case (c.Before != nil) != was, c.Before == nil && c.After == nil:
				t.Fatalf("%+v", c)
			case c.Kind == Close:
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
