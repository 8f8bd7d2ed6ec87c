package pcapfile

import (
	"bytes"
	"io"
	"testing"
	"time"
)

func BenchmarkWritePacket(b *testing.B) {
	w, err := NewWriter(io.Discard, WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.AddInterface(Interface{LinkType: LinkEthernet}); err != nil {
		b.Fatal(err)
	}
	r := &Record{Time: time.Unix(1, 0), LinkType: LinkEthernet, Data: make([]byte, 300), Flags: Outbound, Processes: []ProcessRef{{1, 2}, {3, 4}}, Comments: []string{"curl (4242) → api (17)"}}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.WritePacket(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	one := raw(le, blockEnhanced, uint32(0), uint64(0), uint32(300), uint32(300), make([]byte, 300), opt(le, 8, uint64(1)))
	file := append(head(le), bytes.Repeat(one, 1000)...)
	b.ReportAllocs()
	for b.Loop() {
		got, err := read(bytes.NewReader(file))
		if err != io.EOF || len(got.Records) != 1000 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/packet")
}
