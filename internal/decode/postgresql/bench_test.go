package postgresql

import (
	"testing"
	"time"

	"lodge/internal/decode"
)

// BenchmarkExchanges decodes statements of both protocols, one after the other.
func BenchmarkExchanges(b *testing.B) {
	for name, d := range map[string][]said{
		"simple":   {c(msg('Q', "select abalance from pgbench_accounts where aid = 12345;")), s(one, ready)},
		"prepared": {c(bind("", "s", "12345"), msg('D', byte('P'), ""), execute("", 0), sync), s(msg('2'), one, ready)},
	} {
		b.Run(name, func(b *testing.B) {
			n := 0
			conn := decode.NewConn(decode.Options{Limits: decode.DefaultLimits()}, func(*decode.Exchange) { n++ }, nil)
			dec := newDecoder(conn)
			at := time.Unix(0, 0)
			for _, step := range append(opened(), c(parse("s", "select abalance from pgbench_accounts where aid = $1"), sync), s(msg('1'), ready)) {
				dec.Data(step.by, at, step.b)
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, step := range d {
					dec.Data(step.by, at, step.b)
				}
			}
			if n < b.N {
				b.Fatalf("%d exchanges of %d", n, b.N)
			}
		})
	}
}
