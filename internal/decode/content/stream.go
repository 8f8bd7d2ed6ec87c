package content

import (
	"bytes"
	"errors"
)

// Stream undoes the content coding of a body while it comes, flush by flush: for
// bodies that are read as they come, such as server-sent events. What a server
// has not flushed is read at the end. Only gzip and deflate are undone.
type Stream struct {
	coding  string
	limit   int
	most    int
	inflate Inflater
	begun   bool // the header of gzip or zlib is behind
	failed  error
	held    []byte // of the current piece
	scanned int    // of held has no end of a piece
	tried   int    // length of held when it was last no piece
}

// NewStream returns a stream for the value of a Content-Encoding field, or nil
// where the coding cannot be undone. It holds at most limit bytes of what is
// compressed.
func NewStream(codings string, limit int) *Stream {
	list := Codings(codings)
	if len(list) > 1 {
		return nil
	}
	s := &Stream{limit: limit, most: 16 * limit, begun: true}
	if len(list) == 1 {
		name, ok := known(list[0])
		if !ok || name != "gzip" && name != "deflate" {
			return nil
		}
		s.coding, s.begun = name, false
	}
	return s
}

// Coded reports whether the body has a coding: it cannot be read after a gap.
func (s *Stream) Coded() bool { return s.coding != "" }

var errNotFlushed = errors.New("what was sent between two flushes is more than is held")

// Write takes the next bytes of the body and returns what they are. It is valid
// until the next call. After an error nothing more can be had.
func (s *Stream) Write(b []byte) ([]byte, error) {
	if s.coding == "" {
		return b, nil
	}
	if s.failed != nil {
		return nil, s.failed
	}
	s.held = append(s.held, b...)
	if !s.begun {
		n := headerLen(s.coding, s.held)
		if n < 0 {
			return nil, s.check()
		}
		s.held, s.begun = s.held[n:], true
	}
	var out []byte
	for s.failed == nil {
		i := bytes.Index(s.held[s.scanned:], []byte("\x00\x00\xff\xff"))
		if i < 0 {
			s.scanned = max(s.scanned, len(s.held)-3)
			break
		}
		end := s.scanned + i
		s.scanned = end + 1
		if end < 2*s.tried {
			continue
		}
		part, ok := s.piece(s.held[:end])
		if !ok {
			s.tried = end
			continue
		}
		out = append(out, part...)
		s.held = s.held[end+4:]
		s.scanned, s.tried = 0, 0
	}
	if s.failed == nil {
		s.failed = s.check()
	}
	if len(s.held) == 0 {
		s.held = nil
	}
	return out, s.failed
}

// piece decompresses what may be a piece. The four bytes that end one may also be
// a part of what is compressed.
func (s *Stream) piece(b []byte) ([]byte, bool) {
	out, n, err := s.inflate.Piece(b, false, s.most, s.most)
	switch {
	case errors.Is(err, ErrTooMuch):
		s.failed = err
		return nil, false
	case err != nil || int64(len(out)) != n:
		return nil, false
	}
	s.inflate.remember(out)
	return out, true
}

func (s *Stream) check() error {
	if len(s.held) > s.limit {
		s.held = nil
		return errNotFlushed
	}
	return nil
}

// Close returns what is after the last flush.
func (s *Stream) Close() []byte {
	if s.coding == "" || s.failed != nil || !s.begun || len(s.held) == 0 {
		return nil
	}
	out, _, _ := s.inflate.Piece(s.held, false, s.most, s.most)
	s.held = nil
	return out
}

// headerLen returns the length of the header of gzip (RFC 1952 section 2.3) or
// zlib, or -1 where it is not complete.
func headerLen(coding string, b []byte) int {
	if coding == "deflate" {
		switch {
		case len(b) < 2:
			return -1
		case zlibHeader(b):
			return 2
		}
		return 0
	}
	if len(b) < 10 {
		return -1
	}
	n, flags := 10, b[3]
	if flags&4 != 0 {
		if len(b) < n+2 {
			return -1
		}
		n += 2 + (int(b[n]) | int(b[n+1])<<8)
	}
	for _, flag := range []byte{8, 16} { // a name and a comment end with a zero
		if flags&flag != 0 {
			if n > len(b) {
				return -1
			}
			i := bytes.IndexByte(b[n:], 0)
			if i < 0 {
				return -1
			}
			n += i + 1
		}
	}
	if flags&2 != 0 {
		n += 2
	}
	if n > len(b) {
		return -1
	}
	return n
}
