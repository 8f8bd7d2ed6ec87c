package logs

import (
	"bytes"
	"slices"
)

const (
	// ringLines is how many of the last lines of a service memory holds, and
	// ringBytes bounds each of the two halves that hold them.
	ringLines = 1000
	ringBytes = 512 << 10
)

// ring holds the last records of a service as they are written to disk, in
// two halves: when the newer one has enough, it becomes the older one. New
// records are formatted right in it, so that a chunk is copied once.
type ring struct {
	old, cur           []byte
	oldLines, curLines int
}

// turn is called when no record is being added.
func (r *ring) turn() {
	if r.curLines >= ringLines || len(r.cur) >= ringBytes {
		r.old, r.cur = r.cur, r.old[:0]
		r.oldLines, r.curLines = r.curLines, 0
	}
}

// last returns a copy of the last n records, or of as many as there are, at most
// ringLines.
func (r *ring) last(n int) (records []byte, lines int) {
	n = min(n, ringLines, r.oldLines+r.curLines)
	if n <= 0 {
		return nil, 0
	}
	if n <= r.curLines {
		return slices.Clone(lastRecords(r.cur, n)), n
	}
	return slices.Concat(lastRecords(r.old, n-r.curLines), r.cur), n
}

// lastRecords returns the last n records of b, which has as many.
func lastRecords(b []byte, n int) []byte {
	end := len(b)
	for range n {
		end = bytes.LastIndexByte(b[:max(end-1, 0)], '\n') + 1
	}
	return b[end:]
}
