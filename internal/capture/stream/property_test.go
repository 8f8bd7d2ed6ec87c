package stream

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
)

// received puts a side together again. Missing bytes are zero, and known says
// which are not.
type received struct {
	b     []byte
	known []bool
	end   decode.End
	last  time.Time
	wrong string
}

type reader struct{ sides [2]received }

func (r *reader) side(s decode.Side, at time.Time) *received {
	x := &r.sides[s]
	if x.end != 0 {
		x.wrong = "a call after the end"
	}
	if at.Before(x.last) {
		x.wrong = "time goes back"
	}
	x.last = at
	return x
}

func (r *reader) Data(s decode.Side, at time.Time, b []byte) {
	x := r.side(s, at)
	if len(b) == 0 {
		x.wrong = "no bytes"
	}
	x.b = append(x.b, b...)
	for range b {
		x.known = append(x.known, true)
	}
}

func (r *reader) Gap(s decode.Side, at time.Time, n int64) {
	x := r.side(s, at)
	if n <= 0 || n > 1<<20 {
		x.wrong = "a gap of an impossible size"
		return
	}
	x.b = append(x.b, make([]byte, n)...)
	x.known = append(x.known, make([]bool, n)...)
}

func (r *reader) End(s decode.Side, at time.Time, how decode.End) { r.side(s, at).end = how }

// piece is a segment of a stream: a SYN is at -1, and a FIN at the end.
type piece struct {
	from, to int
	syn, fin bool
}

// network draws the segments in which a stream is sent, and in which order the
// capture has them: with overlaps, repetitions, and displaced within a window.
func network(t *rapid.T, size int) []piece {
	var all []piece
	for at := 0; at < size; {
		n := min(size-at, rapid.SampledFrom([]int{1, 2, 10, 100, 1000}).Draw(t, "piece"))
		back := min(at, rapid.SampledFrom([]int{0, 0, 0, 1, 5, 200}).Draw(t, "overlap"))
		all = append(all, piece{from: at - back, to: at + n})
		if rapid.IntRange(0, 9).Draw(t, "again") == 0 && len(all) > 0 {
			all = append(all, all[rapid.IntRange(0, len(all)-1).Draw(t, "which")])
		}
		at += n
	}
	all = append(all, piece{from: size, to: size, fin: true})
	if n := len(all); rapid.Bool().Draw(t, "FIN with data") && n > 1 && all[n-2].to == size {
		all[n-2].fin = true
		all = all[:n-1]
	}
	window := rapid.IntRange(0, 20).Draw(t, "window")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
	type placed struct {
		piece
		place int
	}
	var order []placed
	for i, p := range all {
		order = append(order, placed{p, i + r.IntN(window+1)})
	}
	slices.SortStableFunc(order, func(a, b placed) int { return a.place - b.place })
	all = all[:0]
	for _, p := range order {
		all = append(all, p.piece)
	}
	return append([]piece{{syn: true}}, all...)
}

// play sends pieces of a stream, with the receiver's acknowledgements.
func play(t *rapid.T, table *Table, stream []byte, pieces []piece, lost func(int) bool) {
	isn := rapid.SampledFrom([]uint32{0, 1000, 0xffffffff, 0xfffffff0, 0x7fffffff}).Draw(t, "isn")
	acks := rapid.SampledFrom([]string{"all", "some", "none"}).Draw(t, "acks")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "acks"), 0))
	at := time.Unix(1_000_000, 0)
	got := make([]bool, len(stream)+2) // SYN, stream, FIN
	ack := 0
	for i, p := range pieces {
		at = at.Add(time.Millisecond)
		q := packet.Packet{Time: at, Src: clientAddr, Dst: serverAddr, Protocol: packet.TCP, Flags: packet.ACK, Seq: isn + 1 + uint32(p.from), Ack: 1}
		q.Payload = stream[p.from:p.to]
		q.PayloadLen = len(q.Payload)
		for k := p.from; k < p.to; k++ {
			got[1+k] = true
		}
		if p.syn {
			q.Flags, q.Seq, q.Ack, got[0] = packet.SYN, isn, 0, true
		}
		if p.fin {
			q.Flags |= packet.FIN
			got[len(got)-1] = true
		}
		if lost == nil || !lost(i) {
			table.Packet(&q)
			checkCounts(t, table)
		}
		for ack < len(got) && got[ack] {
			ack++
		}
		if p.syn || acks == "none" || acks == "some" && r.IntN(3) > 0 {
			continue
		}
		at = at.Add(time.Millisecond)
		q = packet.Packet{Time: at, Src: serverAddr, Dst: clientAddr, Protocol: packet.TCP, Flags: packet.ACK, Seq: 1, Ack: isn + uint32(ack)}
		table.Packet(&q)
		checkCounts(t, table)
	}
}

// Any segmentation, order within a window, repetition and overlap of a stream
// gives the stream.
func TestAnyOrderGivesTheStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := randomBytes(t)
		got := &reader{}
		table := New(Options{GapPackets: 1 << 20, GapAfter: time.Hour}, func(Opened) Conn { return got })
		play(t, table, stream, network(t, len(stream)), nil)
		c, x := table.Counts(), &got.sides[decode.Client]
		if !bytes.Equal(x.b, stream) || x.end != decode.Closed || x.wrong != "" {
			t.Fatalf("%d bytes of %d, end %d, %s", len(x.b), len(stream), x.end, x.wrong)
		}
		if c.Gaps != 0 || c.Held != 0 || c.Delivered != uint64(len(stream)) || table.cost != 0 {
			t.Fatalf("%+v, cost %d", c, table.cost)
		}
	})
}

// Where packets were not captured, each byte that is delivered is in its place,
// and what is missing is a gap.
func TestLossGivesGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := randomBytes(t)
		pieces := network(t, len(stream))
		share := rapid.SampledFrom([]int{2, 5, 50}).Draw(t, "lost, one of")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "lost"), 0))
		captured := make([]bool, len(stream)) // at some time
		finSeen := false
		lost := make([]bool, len(pieces))
		for i, p := range pieces {
			lost[i] = i > 0 && r.IntN(share) == 0
			if !lost[i] {
				for k := p.from; k < p.to; k++ {
					captured[k] = true
				}
				finSeen = finSeen || p.fin
			}
		}
		got := &reader{}
		o := Options{GapPackets: rapid.SampledFrom([]int{1, 5, 100}).Draw(t, "GapPackets"), ConnBytes: rapid.SampledFrom([]int{500, 5000, 1 << 20}).Draw(t, "ConnBytes")}
		table := New(o, func(Opened) Conn { return got })
		play(t, table, stream, pieces, func(i int) bool { return lost[i] })
		table.Flush()
		checkCounts(t, table)
		c, x := table.Counts(), &got.sides[decode.Client]
		if x.wrong != "" || len(x.b) > len(stream)+1 {
			t.Fatalf("%d bytes of %d, %s", len(x.b), len(stream), x.wrong)
		}
		missing := 0
		for i := range x.b {
			switch {
			case i >= len(stream):
				if x.known[i] || finSeen {
					t.Fatalf("byte %d is beyond the stream", i)
				}
			case x.known[i] && x.b[i] != stream[i]:
				t.Fatalf("byte %d is wrong", i)
			case !x.known[i]:
				missing++
				if captured[i] && c.Late == 0 && c.Gaps <= maxGaps {
					t.Fatalf("byte %d was captured, and not delivered", i)
				}
			}
		}
		if finSeen && (len(x.b) != len(stream) || x.end != decode.Closed) {
			t.Fatalf("%d bytes of %d, end %d, though the FIN was seen", len(x.b), len(stream), x.end)
		}
		if c.Missing < uint64(missing) || c.Held != 0 || table.cost != 0 {
			t.Fatalf("%d missing, %+v, cost %d", missing, c, table.cost)
		}
	})
}

func randomBytes(t *rapid.T) []byte {
	b := make([]byte, rapid.SampledFrom([]int{0, 1, 10, 500, 5000}).Draw(t, "size"))
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "content"), 0))
	for i := range b {
		b[i] = byte(1 + r.IntN(255))
	}
	return b
}
