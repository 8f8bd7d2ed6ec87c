package decode

import "time"

// Buffer holds the bytes of one side that a decoder has not consumed yet, and
// when they came. The zero Buffer is empty and ready.
type Buffer struct {
	b     []byte
	off   int // of b is consumed
	base  int64
	marks []mark // the times of the bytes in b, by position
	skip  int64  // of what comes next is not wanted
	last  time.Time
}

type mark struct {
	pos int64 // position in the stream from which on at holds
	at  time.Time
}

// Write appends bytes, which are copied.
func (q *Buffer) Write(at time.Time, b []byte) {
	if len(b) > 0 {
		q.last = at
	}
	if q.skip > 0 {
		n := min(q.skip, int64(len(b)))
		q.skip -= n
		q.base += n
		b = b[n:]
	}
	if len(b) == 0 {
		return
	}
	if q.off > 0 && (q.off == len(q.b) || q.off >= 4096 && q.off > len(q.b)/2) {
		n := copy(q.b, q.b[q.off:])
		q.b, q.off = q.b[:n], 0
	}
	pos := q.base + int64(len(q.b)-q.off)
	if n := len(q.marks); n == 0 || !q.marks[n-1].at.Equal(at) {
		q.marks = append(q.marks, mark{pos, at})
	}
	q.b = append(q.b, b...)
}

// Bytes returns what is there. It is valid until the next call of Write.
func (q *Buffer) Bytes() []byte { return q.b[q.off:] }

// Len is the number of bytes that are there.
func (q *Buffer) Len() int { return len(q.b) - q.off }

// Advance consumes n bytes; those that are not there yet are skipped when they
// come.
func (q *Buffer) Advance(n int64) {
	have := min(n, int64(q.Len()))
	q.off += int(have)
	q.base += have
	q.skip += n - have
	for len(q.marks) > 1 && q.marks[1].pos <= q.base {
		q.marks = q.marks[1:]
	}
	if q.off == len(q.b) {
		q.b, q.off, q.marks = q.b[:0], 0, q.marks[:0]
		if cap(q.b) > 64<<10 {
			q.b = nil
		}
	}
}

// Skipping is the number of bytes that are yet to come and not wanted.
func (q *Buffer) Skipping() int64 { return q.skip }

// At returns when the first byte that is there came; where there is none, when
// the last one did.
func (q *Buffer) At() time.Time {
	if len(q.marks) == 0 {
		return q.last
	}
	return q.marks[0].at
}

// AtByte returns when the byte at an index of [Buffer.Bytes] came.
func (q *Buffer) AtByte(i int) time.Time {
	pos, at := q.base+int64(i), q.At()
	for _, m := range q.marks {
		if m.pos > pos {
			break
		}
		at = m.at
	}
	return at
}

// Moments calls f for each time at which some of the first n bytes came, with the
// index of the first of them.
func (q *Buffer) Moments(n int, f func(i int, at time.Time)) {
	for _, m := range q.marks {
		if i := m.pos - q.base; i < int64(n) {
			f(int(max(i, 0)), m.at)
		}
	}
}

// Last returns when the last byte that was written came.
func (q *Buffer) Last() time.Time { return q.last }

// Pos is the position in the stream of the first byte that is there.
func (q *Buffer) Pos() int64 { return q.base }

// Release lets go of memory that is held to be used again, as an [Idler] does.
func (q *Buffer) Release() {
	switch n := q.Len(); {
	case n == 0:
		q.b, q.off, q.marks = nil, 0, nil
	case cap(q.b) > 2*n+64:
		q.b, q.off = append(make([]byte, 0, n), q.Bytes()...), 0
	}
}

// Reset forgets all bytes: after a gap nothing of them can be continued.
func (q *Buffer) Reset() {
	q.base += int64(q.Len())
	q.b, q.off, q.marks, q.skip = nil, 0, nil, 0
}

// Gap is what [Decoder.Gap] means for a buffer: n bytes are missing. It reports
// whether they were all in a part that is skipped, so that nothing is lost.
func (q *Buffer) Gap(n int64) bool {
	if n >= 0 && n <= q.skip && q.Len() == 0 {
		q.skip -= n
		q.base += n
		return true
	}
	return false
}
