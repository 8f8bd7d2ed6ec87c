package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// rearWindow is how much is read at once going backwards; a record fits in.
const rearWindow = maxRecord + 8<<10

// rear reads records backwards, from one part after the other, the newest
// first.
type rear struct {
	h      *history
	part   int   // the part that is read; -1 at the end
	end    int64 // where the records that were not read yet end; -1 in a new part
	window []byte
	base   int64 // where window begins in the part

	at, key time.Time
	begin   int64 // of the record, in part
}

// prev goes to the record before the present one that q asks for.
func (r *rear) prev(q *Query) (bool, error) {
	for r.part >= 0 {
		ok, err := r.step()
		if err != nil {
			return false, fmt.Errorf("read log of %s: %w", r.h.service, err)
		}
		switch {
		case !ok:
			r.part--
			r.end, r.window = -1, r.window[:0]
		case !q.Until.IsZero() && r.at.After(q.Until):
		case r.at.Before(q.Since):
			r.part = -1
		default:
			if r.key.IsZero() || r.at.Before(r.key) {
				r.key = r.at
			}
			return true, nil
		}
	}
	return false, nil
}

// step goes to the record before in the part; false at its beginning.
func (r *rear) step() (bool, error) {
	p := &r.h.parts[r.part]
	if r.end < 0 {
		end, err := r.lineFeedBefore(p.to)
		if err != nil {
			return false, err
		}
		r.end = end + 1 // what comes after it is not whole
	}
	for r.end > p.from {
		feed, err := r.lineFeedBefore(r.end - 1)
		if err != nil {
			return false, err
		}
		begin, end := feed+1, r.end
		r.end = begin
		if end-begin > int64(maxRecord) {
			continue
		}
		if err := r.load(begin, end); err != nil {
			return false, err
		}
		at, _, _, ok := parseRecord(r.window[begin-r.base : end-r.base-1])
		if !ok {
			continue
		}
		r.at, r.begin = at, begin
		return true, nil
	}
	return false, nil
}

// lineFeedBefore returns the place of the last line feed before pos, or the place
// before the part.
func (r *rear) lineFeedBefore(pos int64) (int64, error) {
	p := &r.h.parts[r.part]
	for pos > p.from {
		if err := r.load(pos-1, pos); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(r.window[:pos-r.base], '\n'); i >= 0 {
			return r.base + int64(i), nil
		}
		pos = r.base
	}
	return p.from - 1, nil
}

// load sees to it that the window holds the bytes begin…end, and as many
// before them as go in.
func (r *rear) load(begin, end int64) error {
	if begin >= r.base && end <= r.base+int64(len(r.window)) {
		return nil
	}
	p := &r.h.parts[r.part]
	if r.window == nil {
		r.window = make([]byte, rearWindow)
	}
	base := max(p.from, end-int64(rearWindow))
	r.window, r.base = r.window[:end-base], base
	n, err := p.r.ReadAt(r.window, base)
	if n == len(r.window) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		// Shortened meanwhile, by a writer whose disk is full. Zeros are no
		// record.
		clear(r.window[n:])
		return nil
	}
	return err
}

// tail leaves of the histories the last n records, over all of them, that q
// asks for. It needs as much memory for many lines as for few.
func tail(hs []*history, q *Query) error {
	rears := make([]*rear, 0, len(hs))
	type place struct {
		part  int
		begin int64
	}
	first := make([]place, len(hs)) // where to begin
	for i, h := range hs {
		r := &rear{h: h, part: len(h.parts) - 1, end: -1}
		ok, err := r.prev(q)
		if err != nil {
			return err
		}
		if !ok {
			r = nil
		}
		rears = append(rears, r)
		first[i].part = -1
	}
	for range q.Tail {
		newest := -1
		for i, r := range rears {
			if r != nil && (newest < 0 || !r.key.Before(rears[newest].key)) {
				newest = i
			}
		}
		if newest < 0 {
			break
		}
		r := rears[newest]
		first[newest] = place{r.part, r.begin}
		ok, err := r.prev(q)
		if err != nil {
			return err
		}
		if !ok {
			rears[newest] = nil
		}
	}
	for i, h := range hs {
		if first[i].part < 0 {
			h.parts = nil
			continue
		}
		h.parts = h.parts[first[i].part:]
		h.parts[0].from = first[i].begin
	}
	return nil
}
