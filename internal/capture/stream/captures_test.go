package stream_test

import (
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/capture/stream"
	"lodge/internal/decode"
)

// side is what one side of a connection sent: missing bytes are counted.
type side struct {
	b       []byte
	calls   int
	missing int64
	end     decode.End
}

// follower is one connection, as this package or tshark puts it together.
type follower struct {
	client, server netip.AddrPort
	sides          [2]side

	number  int
	opened  stream.Opened
	refused bool
}

func (f *follower) Data(s decode.Side, _ time.Time, b []byte) {
	f.sides[s].b = append(f.sides[s].b, b...)
	f.sides[s].calls++
}
func (f *follower) Gap(s decode.Side, _ time.Time, n int64)        { f.sides[s].missing += max(0, n) }
func (f *follower) End(s decode.Side, _ time.Time, how decode.End) { f.sides[s].end = how }
func (f *follower) Refused(time.Time)                              { f.refused = true }

// ours returns the connections of a capture.
func ours(t *testing.T, file string) (all []*follower, c stream.Counts) {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := pcapfile.Open(in)
	if err != nil {
		t.Skip(err)
	}
	table := stream.New(stream.Options{}, func(o stream.Opened) stream.Conn {
		f := &follower{client: o.Key.Src, server: o.Key.Dst, number: len(all), opened: o}
		all = append(all, f)
		return f
	})
	var p packet.Packet
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			t.Skip(err)
		}
		if packet.Parse(packet.LinkType(rec.LinkType), rec.Data, int(rec.OrigLen), &p) != nil {
			continue
		}
		p.Time = rec.Time
		table.Expire(p.Time)
		table.Packet(&p)
	}
	table.Flush()
	return all, table.Counts()
}

func tcpOnly(all []*follower, _ stream.Counts) (tcp []*follower) {
	for _, f := range all {
		if f.opened.Key.Protocol == packet.TCP {
			f.number = len(tcp)
			tcp = append(tcp, f)
		}
	}
	return tcp
}

// TestCaptures compares what comes out of captures with testdata/captures.golden,
// which go test -update writes.
func TestCaptures(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.pcap*")
	var w strings.Builder
	for _, file := range files {
		all, c := ours(t, file)
		fmt.Fprintf(&w, "%s\n", filepath.Base(file))
		for _, f := range all {
			fmt.Fprintf(&w, "\t%s %s → %s", f.opened.Key.Protocol, f.client, f.server)
			if !f.opened.ClientKnown {
				w.WriteString(", client guessed")
			}
			if f.opened.Midstream {
				w.WriteString(", midstream")
			}
			if f.refused {
				w.WriteString(", refused")
			}
			w.WriteByte('\n')
			for s, x := range f.sides {
				fmt.Fprintf(&w, "\t\t%s: %d bytes in %d parts (crc32 %08x), %d missing, %s\n", decode.Side(s), len(x.b), x.calls, crc32.ChecksumIEEE(x.b), x.missing, [...]string{"open", "closed", "reset", "stopped"}[x.end])
			}
		}
		var set []string
		for f := range strings.FieldsSeq(strings.Trim(fmt.Sprintf("%+v", c), "{}")) {
			if !strings.HasSuffix(f, ":0") {
				set = append(set, f)
			}
		}
		fmt.Fprintf(&w, "\t%s\n", strings.Join(set, " "))
	}
	const golden = "testdata/captures.golden"
	if flag.Lookup("update").Value.String() == "true" { // of captest
		if err := os.WriteFile(golden, []byte(w.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.String(); got != string(want) {
		g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Fatalf("line %d of %s:\n- %s\n+ %s\n(go test -update accepts it)", i+1, golden, w[i], g[i])
			}
		}
		t.Fatalf("%d lines, %s has %d", len(g), golden, len(w))
	}
}
