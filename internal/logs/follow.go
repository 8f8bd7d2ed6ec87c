package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"
)

const (
	// followLines and followBytes bound what a Follow holds for its reader.
	followLines = 4096
	followBytes = 4 << 20
	// A ReadAndFollow goes live when no more than liveBytes are left to read
	// from the files, and at the latest after maxRounds looks at them.
	liveBytes = 256 << 10
	maxRounds = 8
)

// Follow gives lines as they are written. Close it after use.
type Follow struct {
	st       *Store
	services []string // nil for all
	wake     chan struct{}

	// The queue, a ring; mu guards it.
	mu          sync.Mutex
	queue       []Line
	head, count int
	size        int // of the texts, in bytes
	lost        int
	ended       bool // nothing is added any more
	closed      bool // nor given out

	// What ReadAndFollow reads before it goes live; past guards it.
	past   sync.Mutex
	q      Query
	live   bool
	rounds int
	reader *reader
	seen   map[string]*history // how far the files were read
	gaps   []string            // services of which lines were thrown away unread
}

// Follow returns the lines of services (nil: of all, also of those to come) that
// are written from now on.
func (st *Store) Follow(services []string) *Follow {
	f := st.newFollow(Query{Services: services})
	st.mu.Lock()
	defer st.mu.Unlock()
	f.live = true
	st.attach(f)
	return f
}

// ReadAndFollow returns the lines that q asks for, and then those that are
// written, with none missing or twice in between. If q has an Until, it ends
// with the first new line that is later.
func (st *Store) ReadAndFollow(q Query) (*Follow, error) {
	f := st.newFollow(q)
	if err := f.advance(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (st *Store) newFollow(q Query) *Follow {
	q.Services = slices.Clone(q.Services)
	return &Follow{st: st, q: q, services: q.Services, wake: make(chan struct{}, 1), seen: map[string]*history{}}
}

// attach needs st.mu.
func (st *Store) attach(f *Follow) {
	if st.closed {
		f.end()
		return
	}
	f.mu.Lock()
	closed := f.closed
	f.mu.Unlock()
	if closed { // while it was reading; Close has been here already
		return
	}
	var list []*Follow
	if old := st.follows.Load(); old != nil {
		list = append(list, *old...)
	}
	list = append(list, f)
	st.follows.Store(&list)
}

func (f *Follow) wants(service string) bool {
	return f.services == nil || slices.Contains(f.services, service)
}

// push is called with the stream's lock held, so it never waits for the
// reader: the oldest lines make room.
func (f *Follow) push(lines []Line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	if f.queue == nil {
		f.queue = make([]Line, followLines)
	}
	for _, l := range lines {
		for f.count == followLines || f.count > 0 && f.size+len(l.Text) > followBytes {
			f.pop()
			f.lost++
		}
		f.queue[(f.head+f.count)%followLines] = l
		f.count++
		f.size += len(l.Text)
	}
	f.signal()
}

func (f *Follow) pop() Line {
	l := f.queue[f.head]
	f.queue[f.head] = Line{}
	f.head = (f.head + 1) % followLines
	f.count--
	f.size -= len(l.Text)
	return l
}

func (f *Follow) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// end is for the end of the Store: what is held can still be read.
func (f *Follow) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.signal()
}

// Close ends the Follow; a Next that waits returns io.EOF.
func (f *Follow) Close() error {
	f.mu.Lock()
	f.ended, f.closed = true, true
	f.queue, f.count = nil, 0
	f.signal()
	f.mu.Unlock()

	f.st.mu.Lock()
	if old := f.st.follows.Load(); old != nil {
		list := slices.DeleteFunc(slices.Clone(*old), func(o *Follow) bool { return o == f })
		f.st.follows.Store(&list)
	}
	f.st.mu.Unlock()

	f.past.Lock()
	defer f.past.Unlock()
	f.forget()
	return nil
}

// forget needs past.
func (f *Follow) forget() {
	if f.reader != nil {
		f.reader.close()
		f.reader = nil
	}
	for _, h := range f.seen {
		h.close()
	}
	f.seen = nil
}

// Next returns the next line and waits for it if need be. Where lines are
// missing because the reader was too slow, it gives a Line that says how many
// (Lost). It returns io.EOF when the Follow or the Store is closed, ctx's
// error when that ends, and an error where old lines could not be read, after
// which it can be called again. It is for one goroutine at a time.
func (f *Follow) Next(ctx context.Context) (Line, error) {
	for {
		line, ok, err := f.TryNext(ctx)
		if ok || err != nil {
			return line, err
		}
		select {
		case <-ctx.Done():
			return Line{}, ctx.Err()
		case <-f.wake:
		}
	}
}

// TryNext is Next that does not wait for a line: ok is false where none is there
// yet.
func (f *Follow) TryNext(ctx context.Context) (line Line, ok bool, err error) {
	if line, ok, err = f.nextOld(ctx); ok || err != nil {
		return line, ok, err
	}
	line, ok, err = f.nextNew()
	if ok && !f.q.Until.IsZero() && line.Time.After(f.q.Until) {
		return Line{}, false, io.EOF
	}
	return line, ok, err
}

func (f *Follow) nextNew() (Line, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return Line{}, false, io.EOF
	case f.lost > 0:
		line := f.gap(f.lost)
		line.Time = f.queue[f.head].Time
		f.lost = 0
		return line, true, nil
	case f.count > 0:
		return f.pop(), true, nil
	case f.ended:
		return Line{}, false, io.EOF
	}
	return Line{}, false, nil
}

func (f *Follow) gap(lost int) Line {
	line := Line{Lost: lost, Text: "some lines lost"}
	if lost > 0 {
		line.Text = fmt.Sprintf("%d lines lost", lost)
	}
	if len(f.services) == 1 {
		line.Service = f.services[0]
	}
	return line
}

// nextOld returns a line from the files; false when there is no more.
func (f *Follow) nextOld(ctx context.Context) (Line, bool, error) {
	f.past.Lock()
	defer f.past.Unlock()
	for f.reader != nil {
		if err := ctx.Err(); err != nil {
			return Line{}, false, err
		}
		if len(f.gaps) > 0 {
			line := f.gap(-1)
			line.Service, f.gaps = f.gaps[0], f.gaps[1:]
			line.Time = f.st.now().Round(0).UTC()
			return line, true, nil
		}
		line, ok, err := f.reader.next()
		if ok || err != nil {
			return line, ok, err
		}
		if f.live {
			f.forget()
			break
		}
		if err := f.advance(); err != nil {
			return Line{}, false, err
		}
	}
	return Line{}, false, nil
}

// advance opens what was written since the files were last opened. The first
// time that is everything. Then each look finds less, until so little is left
// that the lines that are written meanwhile go into the queue: with all
// streams locked, so that a line is either in what was opened or is queued.
//
// It is called with past held, or before anybody else knows f. After an error
// there is something new to read, or f is live.
func (f *Follow) advance() error {
	hs, q, err := f.look()
	if err != nil {
		return err
	}
	f.reader, err = newReader(hs, q)
	return err
}

// look is the part of advance that locks.
func (f *Follow) look() ([]*history, Query, error) {
	st := f.st
	st.mu.Lock()
	defer st.mu.Unlock()
	hs, streams, err := st.openLocked(f.services)
	for _, s := range streams {
		defer s.mu.Unlock()
	}
	if err != nil {
		f.forget()
		f.live = true
		st.attach(f)
		return nil, f.q, err
	}
	var left int64
	f.gaps = nil
	seen := map[string]*history{}
	for _, h := range hs {
		if !h.after(f.seen[h.service]) {
			f.gaps = append(f.gaps, h.service)
		}
		left += h.size()
		seen[h.service] = h.bookmark()
	}
	f.forget()
	f.seen = seen
	f.rounds++
	q := f.q
	if f.rounds == 1 {
		return hs, q, nil
	}
	q.Tail, q.Since = 0, time.Time{} // what comes after the first look counts
	if left <= liveBytes || f.rounds >= maxRounds {
		f.live = true
		st.attach(f)
		hs = addUnsaved(hs, streams)
	}
	return hs, q, nil
}

// openLocked opens the logs of services (nil: of all) and gives their streams,
// locked. It needs st.mu.
func (st *Store) openLocked(services []string) ([]*history, []*stream, error) {
	names := slices.Clone(services)
	if services == nil {
		found, err := list(st.dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		names = []string{}
		for name := range found {
			names = append(names, name)
		}
		for name := range st.streams {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var streams []*stream
	for _, name := range names {
		s := st.stream(name)
		s.mu.Lock()
		s.mend()
		streams = append(streams, s)
	}
	hs, err := openAll(st.dir, names)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return hs, streams, err
}

// addUnsaved adds the lines that could not be written, which are in memory
// only.
func addUnsaved(hs []*history, streams []*stream) []*history {
	for _, s := range streams {
		records, _ := s.ring.last(s.unsaved)
		if len(records) == 0 {
			continue
		}
		i := slices.IndexFunc(hs, func(h *history) bool { return h.service == s.service })
		if i < 0 {
			i = len(hs)
			hs = append(hs, &history{service: s.service})
		}
		hs[i].parts = append(hs[i].parts, part{bytes.NewReader(records), 0, int64(len(records))})
	}
	return hs
}
