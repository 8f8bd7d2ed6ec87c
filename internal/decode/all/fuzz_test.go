package all

import (
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/tls"
)

// captures are those of all decoders.
var captures = []string{"../*/testdata/*.pcap", "../*/testdata/zeek/*.pcap", "../tls/testdata/keys/*.pcap"}

// FuzzDecoders takes any bytes, in any pieces and with any gaps, as a connection whose
// protocol is looked for among all. Nothing may panic or loop, and the work and the
// memory are bounded by the size of the input: by counters, so that a slow machine
// changes nothing.
func FuzzDecoders(f *testing.F) {
	captest.SeedsAll(f, captures...)
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 1<<16 {
			return
		}
		bounded(t, captest.PlayAll(input, Protocols(tls.Config{})))
	})
}

// The bounds of [bounded]. A byte of input makes at most one exchange, since each has at
// least one of its own; and what is allocated for it is bounded, but for what a body that
// is decompressed takes and for tables that each decoder has.
const (
	base            = 4 << 20
	allocatedByByte = 4 << 10
	keptByByte      = 2 << 10
)

// bounded holds that the work was linear in the input, and that what was held while the
// connection was open is bounded by the limits.
func bounded(t *testing.T, p captest.Played) {
	t.Helper()
	if n := int64(p.Exchanges); n > p.Input+1 {
		t.Errorf("%d exchanges of %d bytes", n, p.Input)
	}
	if n := int64(p.Losses); n > 4*p.Input+1000 {
		t.Errorf("%d losses in %d bytes", n, p.Input)
	}
	if p.Allocated > base+allocatedByByte*p.Input {
		t.Errorf("%d bytes are allocated for %d", p.Allocated, p.Input)
	}
	if p.Kept > base+keptByByte*p.Input {
		t.Errorf("%d bytes are kept of %d", p.Kept, p.Input)
	}
	l := decode.DefaultLimits()
	if limit := int64(4*l.Message+4*l.Body+base) + 64*p.Input; p.Held > limit {
		t.Errorf("%d bytes are held of %d, more than %d", p.Held, p.Input, limit)
	}
}

// The begin of each capture, also byte by byte, is bounded work.
func TestWorkIsBounded(t *testing.T) {
	for _, input := range captest.SeedInputs(t, captures...) {
		p := captest.PlayAll(input, Protocols(tls.Config{}))
		bounded(t, p)
		if q := captest.PlayAll(captest.Widen(input), Protocols(tls.Config{})); q.Input != p.Input || q.Exchanges != p.Exchanges {
			t.Errorf("%d exchanges of %d bytes, byte by byte %d of %d: %.80q", p.Exchanges, p.Input, q.Exchanges, q.Input, input)
		} else {
			bounded(t, q)
		}
	}
}

// What is repeated takes work in proportion: sixteen times the input takes no more than
// a constant factor of sixteen times the allocations.
func TestWorkIsLinear(t *testing.T) {
	for name, text := range map[string][2]string{
		"http":       {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		"redis":      {"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "$1\r\nv\r\n"},
		"memcached":  {"get k\r\n", "END\r\n"},
		"nats":       {"PUB a 1\r\nx\r\n", "+OK\r\n"},
		"postgresql": {"Q\x00\x00\x00\x0dSELECT 1\x00", "C\x00\x00\x00\x0dSELECT 1\x00Z\x00\x00\x00\x05I"},
	} {
		work := func(n int) int64 {
			var in []byte
			in = append(in, 0)
			for range n {
				for s, b := range text {
					in = append(in, byte(s), byte(len(b)>>8), byte(len(b)))
					in = append(in, b...)
				}
			}
			return captest.PlayAll(in, Protocols(tls.Config{})).Allocated
		}
		work(1) // what is made once
		few, many := work(64), work(1024)
		if many > 24*few+base {
			t.Errorf("%s: %d bytes are allocated for 64, %d for 1024", name, few, many)
		}
	}
}
