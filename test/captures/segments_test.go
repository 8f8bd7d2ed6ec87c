package captures

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/tls"
	"lodge/internal/tap"
	"lodge/internal/tap/wire"
)

// packets returns the TCP and UDP packets of a capture.
func packets(b []byte) (list []packet.Packet) {
	in, err := pcapfile.Open(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	var fragments packet.Fragments
	for {
		rec, err := in.Next()
		if err != nil {
			return list
		}
		p := packet.Packet{Time: rec.Time}
		if fragments.Parse(packet.LinkType(rec.LinkType), rec.Data, int(rec.OrigLen), &p) == nil {
			p.Payload = bytes.Clone(p.Payload)
			list = append(list, p)
		}
	}
}

// play gives packets to an engine, and returns its records and the account.
func play(list []packet.Packet) *reading {
	r := &reading{}
	e := tap.New(tap.Options{
		Protocols: all.Protocols(tls.Config{}), Decode: decode.Options{Limits: decode.DefaultLimits(), Secrets: true},
		Record: func(rec *tap.Record) { r.records = append(r.records, rec) },
	})
	for i := range list {
		p := list[i]
		p.Payload = bytes.Clone(p.Payload)
		e.Packet(&p, &tap.Origin{})
		e.Expire(p.Time)
		for j := range p.Payload {
			p.Payload[j] = 0xa5 // a packet is valid during the call
		}
	}
	e.Close()
	r.account = e.Account()
	return r
}

// said is what records say without their times and numbers, sorted.
func (r *reading) said(t *testing.T) (lines []string) {
	t.Helper()
	for _, rec := range r.records {
		w := wire.Of(rec)
		w.Number, w.Connection, w.Time, w.LatencyUS, w.DurationUS = 0, 0, time.Time{}, nil, nil
		line, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	return lines
}

// harmless returns the same packets as a network may deliver them: segments are cut in
// two, sent again whole or with a part of the one before, and two in a row of one side
// change places.
func harmless(r *rand.Rand, list []packet.Packet) (out []packet.Packet) {
	last := map[string]packet.Packet{} // of a side
	for _, p := range list {
		side := fmt.Sprint(p.Src, p.Dst)
		plain := p.Protocol == packet.TCP && p.Flags&(packet.SYN|packet.FIN|packet.RST) == 0 && len(p.Payload) == p.PayloadLen && len(p.Payload) > 1
		if !plain {
			out = append(out, p)
			if p.Protocol == packet.TCP {
				delete(last, side)
			}
			continue
		}
		switch before, had := last[side]; {
		case r.IntN(3) == 0:
			n := 1 + r.IntN(len(p.Payload)-1)
			a, b := p, p
			a.Payload, a.PayloadLen = p.Payload[:n], n
			b.Payload, b.PayloadLen, b.Seq = p.Payload[n:], len(p.Payload)-n, p.Seq+uint32(n)
			if r.IntN(2) == 0 {
				a, b = b, a
			}
			out = append(out, a, b)
		case r.IntN(3) == 0 && had && before.Seq+uint32(len(before.Payload)) == p.Seq:
			n := 1 + r.IntN(len(before.Payload))
			q := p
			q.Payload = append(bytes.Clone(before.Payload[len(before.Payload)-n:]), p.Payload...)
			q.PayloadLen, q.Seq = len(q.Payload), p.Seq-uint32(n)
			out = append(out, q)
		default:
			out = append(out, p)
		}
		if r.IntN(4) == 0 {
			out = append(out, p)
		}
		last[side] = p
	}
	return out
}

// A network may cut, repeat and overlap segments: what is said with them is the same.
func TestSegmentsDoNotMatter(t *testing.T) {
	compared := 0
	for _, f := range files(t) {
		t.Run(f.name, func(t *testing.T) {
			b, err := os.ReadFile(f.path)
			if err != nil {
				t.Fatal(err)
			}
			list := packets(b)
			if len(list) == 0 || len(b) > 1<<20 {
				return
			}
			first := play(list)
			a := first.account.Streams
			if a.MissingBytes > 0 || a.Gaps > 0 || a.Midstream > 0 || a.RepeatedBytes > 0 || a.LateBytes > 0 {
				return // what is seen of it depends on how it comes
			}
			compared++
			want := first.said(t)
			for seed := range uint64(3) {
				again := play(harmless(rand.New(rand.NewPCG(seed, 7)), list))
				again.identities(t)
				if got := again.said(t); !slices.Equal(got, want) {
					t.Errorf("seed %d: %s", seed, differing(want, got))
				}
			}
		})
	}
	if compared < 50 {
		t.Errorf("%d files are compared", compared)
	}
	t.Logf("%d files are compared", compared)
}

// differing returns the lines that one of two sorted lists has and the other has not.
func differing(want, got []string) string {
	var out strings.Builder
	for _, l := range want {
		if _, ok := slices.BinarySearch(got, l); !ok {
			fmt.Fprintf(&out, "\n- %.700s", l)
		}
	}
	for _, l := range got {
		if _, ok := slices.BinarySearch(want, l); !ok {
			fmt.Fprintf(&out, "\n+ %.700s", l)
		}
	}
	return out.String()
}

// harmful returns packets of a capture as a bad network or a hostile program sends them:
// lost, cut, with other bytes, in another order, with other numbers.
func harmful(r *rand.Rand, list []packet.Packet) (out []packet.Packet) {
	for _, p := range list {
		switch r.IntN(12) {
		case 0: // lost
			continue
		case 1: // cut by the capture
			p.Payload = p.Payload[:r.IntN(len(p.Payload)+1)]
		case 2: // damaged
			p.Payload = bytes.Clone(p.Payload)
			for range min(len(p.Payload), 1+r.IntN(4)) {
				p.Payload[r.IntN(len(p.Payload))] = byte(r.Uint32())
			}
		case 3: // somewhere else
			p.Seq += uint32(r.IntN(200)) - 100
		case 4:
			p.Flags ^= packet.Flags(1 << r.IntN(6))
		case 5: // of the other side
			p.Src, p.Dst = p.Dst, p.Src
		case 6:
			out = append(out, p)
		}
		out = append(out, p)
		if n := len(out); n > 1 && r.IntN(6) == 0 {
			i := max(0, n-1-r.IntN(20))
			out[i], out[n-1] = out[n-1], out[i]
		}
	}
	return out
}

// No order, loss or damage of packets makes the reader fail, and each layer accounts for
// what it was given.
func TestDamagedPackets(t *testing.T) {
	runs := 0
	for _, f := range files(t) {
		b, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		list := packets(b)
		if len(list) == 0 || len(b) > 256<<10 {
			continue
		}
		for seed := range uint64(3) {
			runs++
			bad := harmful(rand.New(rand.NewPCG(seed, uint64(len(b)))), list)
			r := play(bad)
			r.identities(t)
			for _, rec := range r.records {
				if _, err := json.Marshal(wire.Of(rec)); err != nil {
					t.Errorf("%s, seed %d: %v", f.name, seed, err)
				}
			}
			if t.Failed() {
				t.Fatalf("%s, seed %d", f.name, seed)
			}
		}
	}
	t.Logf("%d runs", runs)
}
