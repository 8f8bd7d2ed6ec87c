package socketquery

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"lodge/internal/query"
	"lodge/internal/sockets"
)

// manyRows makes 20,000 sockets, a quarter of which listen.
func manyRows() []sockets.Row {
	rows := make([]sockets.Row, 20000)
	for i := range rows {
		p := &sockets.Process{PID: 100 + i%300, Name: fmt.Sprintf("Worker-%d", i%50), Executable: "/usr/bin/python3.13", UID: 1000}
		local := sockets.Address{IP: netip.AddrFrom4([4]byte{127, 64, byte(i >> 8), byte(i)}), Port: uint16(1024 + i%40000)}
		remote := sockets.Address{IP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Port: uint16(30000 + i%20000)}
		uid := uint32(1000)
		r := sockets.Row{
			Protocol: "tcp", Family: "ipv4", State: "established", Local: &local, Remote: &remote, UID: &uid,
			Processes: []*sockets.Process{p}, Project: fmt.Sprintf("shop%d", i%7), Service: "web",
		}
		if i%4 == 0 {
			r.State, r.Remote = "listen", nil
		} else {
			r.Peer = &sockets.Peer{Processes: []*sockets.Process{p}, Project: "store", Service: "db"}
		}
		rows[i] = r
	}
	return rows
}

// BenchmarkMatch filters 20,000 rows as top does.
func BenchmarkMatch(b *testing.B) {
	rows := manyRows()
	for _, words := range []string{
		"5432", "5432 6379 3000-3010", "127.0.0.1:5432", "10.0.0.0/8", "postgres", "shop3/web 5432-9999", "postgres redis 5432 127.0.0.1",
		"(port>=3000 and port<4000 and not process~worker-1) or service=shop3/web",
	} {
		b.Run(words, func(b *testing.B) {
			s := schema()
			e, err := query.ParseText(words, &s.Schema)
			if err != nil {
				b.Fatal(err)
			}
			keep := Keep(e, time.Now)
			b.ReportAllocs()
			for b.Loop() {
				for i := range rows {
					keep(&rows[i])
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		s := schema()
		e, err := query.ParseText("postgres redis 5432 127.0.0.1", &s.Schema)
		if err != nil {
			b.Fatal(err)
		}
		Keep(e, time.Now)
	}
}

func TestKeepAllocatesNothing(t *testing.T) {
	rows := manyRows()[:50]
	s := schema()
	e, err := query.ParseText("(port>=3000 and not process~worker-1) or service=shop3/web or command~x postgres 127.0.0.1:80", &s.Schema)
	if err != nil {
		t.Fatal(err)
	}
	keep := Keep(e, time.Now)
	if n := testing.AllocsPerRun(20, func() {
		for i := range rows {
			keep(&rows[i])
		}
	}); n != 0 {
		t.Errorf("%v allocations for %d rows", n, len(rows))
	}
}
