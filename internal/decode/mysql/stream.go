package mysql

import (
	"time"

	"lodge/internal/decode"
)

// stream has the bytes of one side, and splits them into packets.
type stream struct {
	decode.Buffer
	conn *decode.Conn
	side decode.Side

	// What has been read of a packet that is too long to be waited for, or comes in
	// several parts.
	part *packet

	mode    mode
	skipped int64 // bytes since the mode is not reading
	why     decode.LossReason
	// inner means that what compressed packets have is read; compressed that a
	// command was found in one.
	inner, compressed bool
}

type mode uint8

const (
	reading  mode = iota
	seeking       // a packet with a command
	chaining      // three packets in a row
	dropping      // all, until the client sends the next command
)

// packet is one packet, its parts joined. Its body is valid while it is handled.
type packet struct {
	seq     byte   // of the first part
	last    byte   // of the last part
	body    []byte // the begin of it, where it is longer than what is held
	payload int64  // the length of the whole body
	size    int64  // on the wire, with the headers
	at, end time.Time
}

// whole reports whether all of the body is there.
func (p *packet) whole() bool { return int64(len(p.body)) == p.payload }

const (
	fullPart = 1<<24 - 1 // another part follows one of this length
	minHeld  = 512       // of every packet, whatever the limit
)

// next returns the next packet, and false where more bytes are needed.
func (s *stream) next() (packet, bool) {
	for {
		if s.mode != reading && !s.found() {
			return packet{}, false
		}
		b := s.Bytes()
		if len(b) < 4 {
			return packet{}, false
		}
		n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		p := packet{seq: b[3], at: s.At()}
		limit := max(s.conn.Limits.Message, minHeld)
		if s.part != nil {
			p = *s.part
			limit -= len(p.body)
		}
		held := min(n, max(limit, 0))
		if len(b) < 4+held {
			return packet{}, false
		}
		p.last = b[3]
		p.payload += int64(n)
		p.size += int64(n) + 4
		p.end = s.AtByte(4 + held - 1)
		if s.part == nil && n < fullPart {
			p.body = b[4 : 4+held]
			s.Advance(int64(n) + 4)
			return p, true
		}
		p.body = append(p.body, b[4:4+held]...)
		s.Advance(int64(n) + 4)
		if n < fullPart {
			s.part = nil
			return p, true
		}
		s.part = &p
	}
}

// seek begins to look for the next command.
func (s *stream) seek(why decode.LossReason) { s.leave(seeking, why) }

// drop begins to pass over all bytes until resume is called.
func (s *stream) drop(why decode.LossReason) { s.leave(dropping, why) }

// chain begins to look for three packets in a row.
func (s *stream) chain(why decode.LossReason) { s.leave(chaining, why) }

func (s *stream) leave(m mode, why decode.LossReason) {
	if s.mode == reading {
		s.why = why
	}
	s.mode, s.part = m, nil
}

// resume begins to read where the side's next byte will be, if packets were
// being looked for. It reports whether they were.
func (s *stream) resume() bool {
	if s.mode == reading {
		return false
	}
	s.pass(s.Len())
	s.mode = reading
	s.report()
	return true
}

func (s *stream) pass(n int) {
	s.Advance(int64(n))
	s.skipped += int64(n)
}

// found passes over bytes until a packet begins, and reports whether it does.
func (s *stream) found() bool {
	b := s.Bytes()
	for i := range b {
		v := decode.No
		switch s.mode {
		case seeking:
			if !s.inner {
				v = compressedCommand(b[i:])
				s.compressed = v == decode.Yes
			}
			if v == decode.No {
				v = plausible(b[i:])
			}
		case chaining:
			v = chained(b[i:])
		}
		switch v {
		case decode.Yes:
			s.pass(i)
			s.mode = reading
			s.report()
			return !s.compressed
		case decode.Maybe:
			s.pass(i)
			return false
		}
	}
	s.pass(len(b))
	return false
}

// report counts the bytes that were passed over.
func (s *stream) report() {
	if s.skipped > 0 {
		s.conn.Lost(decode.Loss{Protocol: Name, Side: s.side, Reason: s.why, Bytes: s.skipped})
	}
	s.skipped = 0
}

// gap drops what a gap makes unreadable. It reports whether the gap matters.
func (s *stream) gap(n int64) bool {
	if s.Gap(n) {
		return false
	}
	s.pass(s.Len())
	s.Reset()
	s.part = nil
	if s.mode == reading {
		s.why = decode.LostGap
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
	if s.mode == reading {
		s.why = decode.LostGap
	}
	s.pass(s.Len())
	s.report()
}
