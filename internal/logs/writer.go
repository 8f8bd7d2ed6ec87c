package logs

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxWrite bounds, in bytes, how much one write(2) is given.
const maxWrite = 128 << 10

// Writer takes the raw output of one process, in any pieces. Its methods may
// be called from several goroutines.
type Writer struct {
	s *stream
	// The rest is guarded by the stream's lock.

	part    []byte // the line that has no end yet
	touched time.Time
	// cut says that what came before on this line was given out already, and
	// rewritten that the program has gone back to its beginning since (CR).
	cut, rewritten bool
	closed         bool
}

// Note adds a line that lodge itself says. It comes after what was printed
// before, also where that has no end yet.
func (w *Writer) Note(text string) {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.st.now()
	w.flush(now)
	s.begin(now)
	for line := range strings.Lines(text) {
		s.add(note, []byte(strings.TrimRight(line, "\r\n")))
	}
	s.commit(now)
}

// Write takes output. It never fails and always takes all of p.
//
// A line ends with LF or CR LF. Of a line that goes back with CR to write
// over itself, as progress bars do, what was written last is kept.
func (w *Writer) Write(p []byte) (int, error) {
	size := len(p)
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.st.now()
	w.touched = now
	s.begin(now)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.hold(p)
			break
		}
		if len(w.part) > 0 {
			w.hold(p[:i])
			w.line(w.part)
			w.part = w.part[:0]
		} else {
			w.line(p[:i])
		}
		p = p[i+1:]
		if s.batchBytes() >= maxWrite {
			s.commit(now)
			s.begin(now)
		}
	}
	s.commit(now)
	return size, nil
}

// Flush gives out as a line what was printed without a line end.
func (w *Writer) Flush() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.flush(w.s.st.now())
}

// Close flushes. The file is closed with the service's last Writer.
func (w *Writer) Close() error {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	now := s.st.now()
	w.flush(now)
	s.writers = slices.DeleteFunc(s.writers, func(o *Writer) bool { return o == w })
	if len(s.writers) > 0 {
		return nil
	}
	s.catchUp(now)
	return s.closeFile()
}

func (w *Writer) flush(now time.Time) { w.flushBut(0, now) }

// flushIdle is flush where more may come: it leaves a character that is not whole.
func (w *Writer) flushIdle(now time.Time) { w.flushBut(unfinished(w.part), now) }

// flushBut flushes all but the last n bytes.
func (w *Writer) flushBut(n int, now time.Time) {
	end := len(w.part) - n
	text := shown(w.part[:end])
	if len(text) == 0 {
		return
	}
	w.s.begin(now)
	w.line(text)
	w.s.commit(now)
	w.part = append(w.part[:0], w.part[end:]...)
	w.cut = true
}

// unfinished returns the length of the beginning of a character in UTF-8 with
// which b ends.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// continues reports whether raw, the end of the line so far, continues what was
// given out of it before.
func (w *Writer) continues(raw []byte) bool {
	return w.cut && !w.rewritten && lastCR(bytes.TrimRight(raw, "\r")) < 0
}

// line adds one whole line to the batch, in pieces if it is too long.
func (w *Writer) line(raw []byte) {
	text := shown(raw)
	again := w.continues(raw)
	if len(text) == 0 && w.cut {
		w.cut, w.rewritten = false, false // only the end of a line that was given out
		return
	}
	w.cut, w.rewritten = false, false
	for len(text) > MaxText {
		n := splitAt(text)
		w.s.add(sign(true, again), text[:n])
		text, again = text[n:], true
	}
	w.s.add(sign(false, again), text)
}

// hold keeps the beginning of a line. What a CR has written over is dropped,
// so that a progress bar does not grow; a line that is too long is given out
// in pieces.
func (w *Writer) hold(p []byte) {
	w.part = append(w.part, p...)
	body := bytes.TrimRight(w.part, "\r")
	switch i := lastCR(body); {
	case i >= 0:
		w.part = append(w.part[:0], w.part[i+1:]...)
		w.rewritten = true
	case len(body) == 0 && len(w.part) > 1:
		w.part = w.part[:1]
	}
	rest := w.part
	for len(rest) > MaxText {
		n := splitAt(rest)
		w.s.add(sign(true, w.cut && !w.rewritten), rest[:n])
		rest = rest[n:]
		w.cut, w.rewritten = true, false
	}
	if len(rest) == len(w.part) {
		return
	}
	if cap(w.part) > 4*MaxText {
		w.part = slices.Clone(rest)
	} else {
		w.part = append(w.part[:0], rest...)
	}
}

// shown is what a terminal would show of a line: the part after the last CR
// that something follows.
func shown(line []byte) []byte {
	for len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	return line[lastCR(line)+1:]
}

func lastCR(b []byte) int {
	if bytes.IndexByte(b, '\r') < 0 { // much faster than to look from behind
		return -1
	}
	return bytes.LastIndexByte(b, '\r')
}

// splitAt returns the length of the first piece of a line that is too long: it
// does not cut a character in two.
func splitAt(b []byte) int {
	n := MaxText
	for back := 0; back < utf8.UTFMax-1; back++ {
		if utf8.RuneStart(b[n-back]) {
			return n - back
		}
	}
	return n
}
