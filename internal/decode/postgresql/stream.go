package postgresql

import (
	"encoding/binary"
	"time"

	"lodge/internal/decode"
)

// stream has the bytes of one side, and splits them into messages.
type stream struct {
	decode.Buffer
	conn *decode.Conn
	side decode.Side
	// seeking means that it is not known where the next message begins; skipped
	// bytes have been passed over since, because of why.
	seeking bool
	skipped int64
	why     decode.LossReason
}

// message is one message of the protocol. Its body is valid while it is handled.
type message struct {
	kind  byte
	body  []byte // without kind and length; its begin where whole is false
	whole bool
	size  int64 // on the wire
	at    time.Time
	end   time.Time
}

// next returns the next message, and false where more bytes are needed. Of a
// message that is longer than [decode.Limits.Message] the begin is returned, and
// the rest is skipped.
func (s *stream) next() (message, bool) {
	for {
		if s.seeking && !s.seek() {
			return message{}, false
		}
		b := s.Bytes()
		if len(b) == 0 {
			return message{}, false
		}
		if !isKind(s.side, b[0]) {
			s.lose(decode.LostMalformed)
			continue
		}
		if len(b) < 5 {
			return message{}, false
		}
		n := int64(binary.BigEndian.Uint32(b[1:]))
		if n < 4 || n > maxMessage {
			s.lose(decode.LostMalformed)
			continue
		}
		size := n + 1
		held := min(size, int64(max(s.conn.Limits.Message, minHeld))+5)
		if int64(len(b)) < held {
			return message{}, false
		}
		m := message{kind: b[0], body: b[5:held], whole: held == size, size: size, at: s.At(), end: s.AtByte(int(held) - 1)}
		s.Advance(size)
		return m, true
	}
}

const (
	maxMessage = 1<<30 + 64 // what PostgreSQL itself accepts
	minHeld    = 512        // of every message, whatever the limit
)

// startup returns the next message of those that have no kind: the first ones
// of a client. It reports false where more bytes are needed.
func (s *stream) startup() (code uint32, m message, ok bool) {
	b := s.Bytes()
	if len(b) < 4 {
		return 0, m, false
	}
	n := binary.BigEndian.Uint32(b)
	if n < 8 || n > maxStartup {
		return 0, m, true
	}
	if len(b) < int(n) {
		return 0, m, false
	}
	m = message{body: b[8:n], whole: true, size: int64(n), at: s.At(), end: s.AtByte(int(n) - 1)}
	code = binary.BigEndian.Uint32(b[4:])
	s.Advance(int64(n))
	return code, m, true
}

const maxStartup = 10000 // PostgreSQL's MAX_STARTUP_PACKET_LENGTH

// lose begins to seek the next message.
func (s *stream) lose(why decode.LossReason) {
	s.seeking, s.why = true, why
	if why == decode.LostMalformed && s.Len() > 0 {
		s.skip(1)
	}
}

func (s *stream) skip(n int) {
	s.Advance(int64(n))
	s.skipped += int64(n)
}

// seek passes over bytes until a message begins, and reports whether it does.
func (s *stream) seek() bool {
	b := s.Bytes()
	for i := range b {
		switch plausible(s.side, b[i:]) {
		case decode.Yes:
			s.skip(i)
			s.seeking = false
			s.report()
			return true
		case decode.Maybe:
			s.skip(i)
			return false
		}
	}
	s.skip(len(b))
	return false
}

// report counts the bytes that were passed over.
func (s *stream) report() {
	if s.skipped > 0 {
		s.conn.Lost(decode.Loss{Protocol: Name, Side: s.side, Reason: s.why, Bytes: s.skipped})
	}
	s.skipped = 0
}

// gap drops what a gap makes unreadable. It reports whether the gap matters: it
// does not where all of it would have been skipped.
func (s *stream) gap(n int64) bool {
	if s.Gap(n) {
		return false
	}
	s.skipped += int64(s.Len())
	s.Reset()
	if !s.seeking {
		s.seeking, s.why = true, decode.LostGap
	}
	if n > 0 {
		s.skipped += n
	}
	if n < 0 {
		s.conn.Lost(decode.Loss{Protocol: Name, Side: s.side, Reason: decode.LostGap, Bytes: -1})
	}
	return true
}

// finish counts what is left at the end.
func (s *stream) finish() {
	if !s.seeking && s.Len() > 0 {
		s.why = decode.LostGap
	}
	s.skip(s.Len())
	s.report()
}

// reader reads the fields of a message. After a read beyond its end all fields
// are zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) int16() int {
	if v := r.take(2); v != nil {
		return int(binary.BigEndian.Uint16(v))
	}
	return 0
}

func (r *reader) int32() int32 {
	if v := r.take(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

// text reads a string that ends with a zero byte; where none follows, all that
// is left.
func (r *reader) text() string {
	for i, c := range r.b {
		if c == 0 {
			v := string(r.b[:i])
			r.b = r.b[i+1:]
			return v
		}
	}
	v := string(r.b)
	r.b, r.bad = nil, true
	return v
}

// end reports whether all was read, and nothing beyond.
func (r *reader) end() bool { return len(r.b) == 0 && !r.bad }
