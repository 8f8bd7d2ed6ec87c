package packet

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// fragment4 and fragment6 return a part of what an IP packet carries.
func fragment4(id uint16, from, to int, payload []byte) []byte {
	b := ip4(17, -1, nil, payload[from:to])
	binary.BigEndian.PutUint16(b[4:], id)
	v := uint16(from / 8)
	if to < len(payload) {
		v |= 0x2000
	}
	binary.BigEndian.PutUint16(b[6:], v)
	return b
}

func fragment6(id uint32, from, to int, payload []byte) []byte {
	h := []byte{17, 0, 0, 0, 0, 0, 0, 0}
	v := uint16(from)
	if to < len(payload) {
		v |= 1
	}
	binary.BigEndian.PutUint16(h[2:], v)
	binary.BigEndian.PutUint32(h[4:], id)
	return ip6(fragment, -1, join(h, payload[from:to]))
}

// datagramOf returns a UDP datagram from port 40000 to 53.
func datagramOf(text string) []byte {
	h := bs("9c40 0035 0000 0000")
	binary.BigEndian.PutUint16(h[4:], uint16(8+len(text)))
	return append(h, text...)
}

func TestFragments(t *testing.T) {
	text := strings.Repeat("0123456789", 20)
	whole := datagramOf(text)
	for name, cut := range map[string]func(from, to int) []byte{
		"IPv4": func(from, to int) []byte { return fragment4(7, from, to, whole) },
		"IPv6": func(from, to int) []byte { return fragment6(7, from, to, whole) },
	} {
		a, b, c := cut(0, 64), cut(64, 128), cut(128, len(whole))
		for _, tt := range []struct {
			name    string
			frames  [][]byte
			want    string // what is said of each: h held, f a fragment, w whole
			dropped uint64
		}{
			{"in order", [][]byte{a, b, c}, "hhw", 0},
			{"the last one first", [][]byte{c, a, b}, "hhw", 0},
			{"one twice", [][]byte{a, a, b, c}, "hhhw", 0},
			{"twice", [][]byte{a, b, c, c, b, a}, "hhwhhw", 0},
			{"one is missing", [][]byte{a, c}, "hh", 2},
			{"they overlap", [][]byte{a, cut(56, 120), b, c}, "hfhh", 3},
			{"two ends", [][]byte{a, c, cut(128, 136), b}, "hhfh", 3},
			{"beyond the end", [][]byte{c, cut(64, len(whole))[:len(c)]}, "hf", 1},
			{"one is cut", [][]byte{a, b[:len(b)-1], c}, "hfh", 2},
		} {
			var f Fragments
			got := ""
			for _, frame := range tt.frames {
				p := Packet{Time: time.Unix(1000, 0)}
				switch err := f.Parse(LinkRaw, frame, len(frame), &p); {
				case err == nil:
					got += "w"
					if string(p.Payload) != text || p.PayloadLen != len(text) || p.Src.Port() != 40000 || p.Dst.Port() != 53 || !p.Src.Addr().IsLoopback() {
						t.Errorf("%s, %s: %v → %v: %q", name, tt.name, p.Src, p.Dst, p.Payload)
					}
				case errors.Is(err, ErrHeld):
					got += "h"
				case errors.Is(err, ErrFragment):
					got += "f"
				default:
					t.Errorf("%s, %s: %v", name, tt.name, err)
				}
			}
			f.Close()
			if n := f.Dropped(); got != tt.want || n != tt.dropped || f.held != 0 || len(f.open) != 0 {
				t.Errorf("%s, %s: %s, want %s; dropped %d, want %d; %d bytes held of %d", name, tt.name, got, tt.want, n, tt.dropped, f.held, len(f.open))
			}
		}
	}
}

// What is never completed is dropped after a while, and where there is much of it.
func TestFragmentsAreBounded(t *testing.T) {
	var f Fragments
	whole := datagramOf(strings.Repeat("x", 60000))
	at := time.Unix(1000, 0)
	send := func(id uint16, from, to int) error {
		b := fragment4(id, from, to, whole)
		return f.Parse(LinkRaw, b, len(b), &Packet{Time: at})
	}
	for id := range 3000 {
		if err := send(uint16(id), 0, 8); !errors.Is(err, ErrHeld) {
			t.Fatal(err)
		}
	}
	if len(f.open) > maxDatagrams || len(f.order) > 2*maxDatagrams {
		t.Errorf("%d datagrams are held, %d in order", len(f.open), len(f.order))
	}
	for id := range 3000 { // far from their begin
		_ = send(uint16(10000+id), 50000, 50008)
	}
	if f.held > maxHeld+maxDatagram {
		t.Errorf("%d bytes are held", f.held)
	}
	at = at.Add(fragmentExpiry + time.Second)
	_ = send(1, 0, 8)
	if n := f.Dropped(); len(f.open) != 1 || n != 6000 {
		t.Errorf("%d datagrams are held, %d dropped", len(f.open), n)
	}
	// Those that are complete take no memory, also behind one that is not.
	for id := range 5000 {
		for from := 0; from < len(whole); from += 40000 {
			if err := send(uint16(20000+id), from, min(from+40000, len(whole))); from > 0 && err != nil {
				t.Fatal(err)
			}
		}
	}
	if f.held != 8 || len(f.order) > 2*maxDatagrams {
		t.Errorf("%d bytes are held, %d in order", f.held, len(f.order))
	}
}

// FuzzFragments holds that any order of any fragments is a datagram or none, and that what
// is held is accounted for.
func FuzzFragments(f *testing.F) {
	f.Add(uint64(1), []byte{0, 1, 2, 3})
	f.Fuzz(func(t *testing.T, seed uint64, order []byte) {
		r := rand.New(rand.NewPCG(seed, 1))
		text := strings.Repeat("abcdefgh", 40)
		whole := datagramOf(text)
		var cuts [][]byte
		for from := 0; from < len(whole); {
			to := min(from+8*(1+r.IntN(10)), len(whole))
			cuts = append(cuts, fragment4(1, from, to, whole))
			from = to
		}
		wrong := slices.Clone(cuts[0])
		wrong[6] ^= byte(r.Uint32()) & 0x3f
		cuts = append(cuts, wrong, fragment4(2, 0, 8, whole))
		var fs Fragments
		held, given := uint64(0), uint64(0)
		for _, i := range order {
			b := cuts[int(i)%len(cuts)]
			var p Packet
			err := fs.Parse(LinkRaw, b, len(b), &p)
			if err == nil && p.PayloadLen != len(p.Payload) {
				t.Errorf("%d bytes of %d", len(p.Payload), p.PayloadLen)
			}
			if errors.Is(err, ErrHeld) {
				held++
			}
			given++
		}
		fs.Close()
		if n := fs.Dropped(); n > held || held > given || fs.held != 0 || len(fs.open) != 0 {
			t.Errorf("%d of %d held, %d dropped; %d bytes are left", held, given, n, fs.held)
		}
	})
}
