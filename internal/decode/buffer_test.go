package decode

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(n int) time.Time { return time.Unix(1_000_000, int64(n)) }

func TestBufferTimes(t *testing.T) {
	var q Buffer
	q.Write(at(1), []byte("abc"))
	q.Write(at(2), []byte("def"))
	if !q.At().Equal(at(1)) || !q.AtByte(3).Equal(at(2)) || !q.Last().Equal(at(2)) {
		t.Errorf("at %v, byte 3 at %v, last %v", q.At(), q.AtByte(3), q.Last())
	}
	q.Advance(4)
	if string(q.Bytes()) != "ef" || !q.At().Equal(at(2)) || q.Pos() != 4 {
		t.Errorf("%q at %v, position %d", q.Bytes(), q.At(), q.Pos())
	}
	q.Advance(5)
	if q.Len() != 0 || q.Skipping() != 3 {
		t.Errorf("%d bytes, %d to skip", q.Len(), q.Skipping())
	}
	q.Write(at(3), []byte("1234"))
	if string(q.Bytes()) != "4" || q.Pos() != 9 || !q.At().Equal(at(3)) {
		t.Errorf("%q at position %d, %v", q.Bytes(), q.Pos(), q.At())
	}
}

func TestBufferGap(t *testing.T) {
	var q Buffer
	q.Write(at(1), []byte("ab"))
	if q.Gap(1) {
		t.Error("a gap behind bytes that wait is a loss")
	}
	q.Advance(10)
	if !q.Gap(5) || q.Skipping() != 3 || q.Pos() != 7 {
		t.Errorf("%d to skip at %d", q.Skipping(), q.Pos())
	}
	if q.Gap(4) || q.Gap(-1) {
		t.Error("a gap that ends behind what is skipped is a loss")
	}
	q.Write(at(2), []byte("xyz"))
	q.Write(at(3), []byte("tail"))
	q.Reset()
	if q.Len() != 0 || q.Pos() != 14 {
		t.Errorf("%d bytes at %d", q.Len(), q.Pos())
	}
}

// A buffer gives back what was written, whatever the pieces, with the time of
// each byte.
func TestBufferIsAStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q Buffer
		var all []byte
		var times []int
		read := 0 // bytes consumed or skipped
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "write") {
				b := rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "bytes")
				q.Write(at(i), b)
				all = append(all, b...)
				for range b {
					times = append(times, i)
				}
			} else {
				n := rapid.IntRange(0, q.Len()+10).Draw(t, "advance")
				q.Advance(int64(n))
				read += n
			}
			if read <= len(all) {
				if !bytes.Equal(q.Bytes(), all[read:]) {
					t.Fatalf("%d bytes are there, want %d", q.Len(), len(all)-read)
				}
				for i := 0; i < q.Len(); i += 1 + q.Len()/7 {
					if !q.AtByte(i).Equal(at(times[read+i])) {
						t.Fatalf("byte %d at %v, want %v", i, q.AtByte(i), at(times[read+i]))
					}
				}
			}
			if want := int64(max(0, read-len(all))); q.Skipping() != want {
				t.Fatalf("%d to skip, want %d", q.Skipping(), want)
			}
		}
	})
}
