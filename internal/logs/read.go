package logs

import (
	"container/heap"
	"fmt"
	"iter"
	"path/filepath"
	"time"
)

// Read returns the lines in dir that q asks for, merged by time; lines of one
// service keep their order. It reads as it goes, with memory that does not
// grow with the files, and sees the files as they were when it began, whether
// a writer rotates them meanwhile or not. A file that can no longer be read
// gives an error in its place, and the reading goes on with the next. A
// directory that is not there is an error that is fs.ErrNotExist; a service
// without a log has no lines.
func Read(dir string, q Query) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		hs, err := openAll(filepath.Clean(dir), q.Services)
		if err != nil {
			yield(Line{}, err)
			return
		}
		r, err := newReader(hs, q)
		defer r.close()
		if err != nil {
			yield(Line{}, err)
			return
		}
		for {
			line, ok, err := r.next()
			if !ok && err == nil || !yield(line, err) {
				return
			}
		}
	}
}

// reader merges histories.
type reader struct {
	q       Query
	hs      []*history
	waiting []*cursor // not looked at yet
	heap    cursors
}

// newReader takes the histories over: close closes them, also after an error.
func newReader(hs []*history, q Query) (*reader, error) {
	r := &reader{q: q, hs: hs}
	if !q.Since.IsZero() {
		for _, h := range hs {
			if err := h.since(q.Since); err != nil {
				return r, err
			}
		}
		// All that is left counts, whatever its time.
		q.Since, r.q.Since = time.Time{}, time.Time{}
	}
	if q.Tail > 0 {
		if err := tail(hs, &q); err != nil {
			return r, err
		}
	}
	for i, h := range hs {
		r.waiting = append(r.waiting, &cursor{h: h, parts: h.parts, index: i})
	}
	return r, nil
}

func (r *reader) close() {
	for _, h := range r.hs {
		h.close()
	}
}

// next returns the next line; false at the end, or with an error, after which
// there can be more.
func (r *reader) next() (Line, bool, error) {
	for len(r.waiting) > 0 {
		c := r.waiting[len(r.waiting)-1]
		ok, err := c.next(&r.q)
		if err != nil {
			return Line{}, false, fmt.Errorf("read log of %s: %w", c.h.service, err)
		}
		r.waiting = r.waiting[:len(r.waiting)-1]
		if ok {
			heap.Push(&r.heap, c)
		}
	}
	if len(r.heap) == 0 {
		return Line{}, false, nil
	}
	c := r.heap[0]
	line := lineOf(c.at, c.h.service, c.sign, string(c.text))
	ok, err := c.next(&r.q)
	switch {
	case err != nil:
		// The line is given now; what follows it is looked at with the next.
		heap.Pop(&r.heap)
		r.waiting = append(r.waiting, c)
	case ok:
		heap.Fix(&r.heap, 0)
	default:
		heap.Pop(&r.heap)
	}
	return line, true, nil
}

type cursors []*cursor

func (h cursors) Len() int { return len(h) }
func (h cursors) Less(i, j int) bool {
	if d := h[i].key.Compare(h[j].key); d != 0 {
		return d < 0
	}
	return h[i].index < h[j].index
}
func (h cursors) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *cursors) Push(x any)   { *h = append(*h, x.(*cursor)) }
func (h *cursors) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return c
}
