package flood

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestFrameScanner: frames are found whatever the pieces in which they come.
func TestFrameScanner(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(Preface)
	f := http2.NewFramer(&b, nil)
	f.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
	f.WriteDataPadded(5, true, []byte("hello"), make([]byte, 7))
	f.WriteDataPadded(5, false, nil, make([]byte, 3))
	f.WriteData(7, false, bytes.Repeat([]byte{1}, 1000))
	f.WriteData(7, false, nil)
	f.WriteRSTStream(9, http2.ErrCodeStreamClosed)
	f.WriteGoAway(11, http2.ErrCodeEnhanceYourCalm, []byte("why"))
	f.WritePing(true, [8]byte{})
	b.Write([]byte{0, 0, 0, frameData, flagPadded, 0, 0, 0, 1}) // malformed: no length of the padding
	type seen struct {
		typ    byte
		stream uint32
		data   int
		code   uint32
	}
	want := []seen{
		{frameSettings, 0, 0, 0}, {frameData, 5, 5, 0}, {frameData, 5, 0, 0}, {frameData, 7, 1000, 0}, {frameData, 7, 0, 0},
		{frameReset, 9, 0, uint32(http2.ErrCodeStreamClosed)}, {frameGoAway, 0, 0, codeCalm}, {0x6, 0, 0, 0}, {frameData, 1, 0, 0},
	}
	for _, size := range []int{1, 2, 3, 8, 9, 10, 17, 100, b.Len()} {
		s := frameScanner{skip: len(Preface)}
		var got []seen
		for rest := b.Bytes(); len(rest) > 0; {
			piece := rest[:min(size, len(rest))]
			rest = rest[len(piece):]
			for {
				f, after, ok := s.next(piece)
				if !ok {
					break
				}
				piece = after
				e := seen{typ: f.typ, stream: f.stream}
				switch f.typ {
				case frameData:
					e.data = f.data()
				case frameReset, frameGoAway:
					e.code = f.code()
				}
				got = append(got, e)
			}
		}
		if !s.between() {
			t.Errorf("pieces of %d: the last frame is not over", size)
		}
		if len(got) != len(want) {
			t.Fatalf("pieces of %d: %v", size, got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("pieces of %d: %v, want %v", size, got[i], want[i])
			}
		}
	}
}

func FuzzFrameScanner(f *testing.F) {
	f.Add([]byte(Preface+"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08"), 3)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		count := func(size int) (n, bytes int) {
			var s frameScanner
			for rest := b; len(rest) > 0; {
				piece := rest[:min(size, len(rest))]
				rest = rest[len(piece):]
				for {
					f, after, ok := s.next(piece)
					if !ok {
						break
					}
					piece = after
					n++
					bytes += f.data()
				}
			}
			return n, bytes
		}
		if size < 1 {
			size = 1
		}
		n, sum := count(len(b) + 1)
		if m, other := count(size); m != n || other != sum {
			t.Errorf("%d frames of %d bytes at once, %d of %d in pieces of %d", n, sum, m, other, size)
		}
	})
}

// TestRapid: a reset costs little once its stream has had time to be answered.
func TestRapid(t *testing.T) {
	now := time.Unix(1000, 0)
	clock := func() time.Time { return now }
	var a ages
	cost := func(typ byte, stream uint32) float64 {
		return a.received(&frame{typ: typ, stream: stream}, clock)
	}
	for _, c := range []struct {
		later time.Duration
		typ   byte
		id    uint32
		want  float64
	}{
		{0, frameHeaders, 1, 0},
		{0, frameReset, 1, costReset},
		{rapid / 2, frameHeaders, 3, 0},
		{rapid / 2, frameHeaders, 5, 0},
		{rapid / 2, frameReset, 5, costReset},
		{rapid / 2, frameReset, 3, costFrame},
		{rapid, frameReset, 5, costFrame},
		{10 * rapid, frameHeaders, 7, 0},
		{rapid / 2, frameReset, 7, costReset},
		{3 * rapid, frameReset, 7, costFrame},
	} {
		now = now.Add(c.later)
		if got := cost(c.typ, c.id); got != c.want {
			t.Errorf("at %v, type %d of stream %d: %v, want %v", now.Sub(time.Unix(1000, 0)), c.typ, c.id, got, c.want)
		}
	}
}
