package websocket

import (
	"unicode/utf8"

	"lodge/internal/decode"
)

// A connection that was joined midstream, or has a gap, is read from the next
// frame on that can be found. A frame has no mark: what is taken for one is a
// chain of frames, each of which is followed by the next, with the mask that the
// side must use, and whose texts are UTF-8.

const (
	chainFrames = 3 // frames that follow each other are a chain
	chainLength = 4096
	// chainWork is how often, on average, a byte may be looked at.
	chainWork = 64
)

// search is what is known of a side whose next frame is looked for.
type search struct {
	need int   // bytes that must be there before the first candidate can be judged
	work int64 // how many more bytes may be looked at
	last bool  // no more bytes will come
}

// startSearch begins to look for a frame.
func (p *side) startSearch(why decode.LossReason) {
	p.tellLost()
	p.why, p.state, p.guessed, p.search.need = why, inSearch, true, 0
	if why != decode.LostState && p.d.ext.deflate && p.deflate.keep {
		p.deflate.lost = "it refers to messages that were not captured"
	}
}

// find looks for a chain of frames at the begin of the buffer, and drops bytes
// until there is one.
func (p *side) find() bool {
	for {
		b := p.buf.Bytes()
		if len(b) == 0 || len(b) < p.search.need && !p.search.last {
			return false
		}
		verdict, need, work := chain(b, p.of, p.buf.Pos() == 0)
		if verdict == decode.Maybe && !p.search.last {
			p.search.need = need
			return false
		}
		p.search.need = 0
		p.search.work += chainWork - work
		if verdict == decode.Yes {
			p.state = inHeader
			return true
		}
		if p.search.work < 0 {
			p.state = notReadable // made to be looked at for long
			return true
		}
		p.buf.Advance(1)
		p.lose(1)
	}
}

// chain judges whether b begins with frames of a side. At the begin of what was
// captured, where a frame is likely, one text is enough. For [decode.Maybe] it
// returns how many bytes are needed to judge on; work is how many were looked at.
func chain(b []byte, s decode.Side, likely bool) (v decode.Verdict, need int, work int64) {
	at, carried := 0, int64(0)
	open := false // a message has begun and not ended
	for n := 0; n < chainFrames || carried < 8; n++ {
		rest := b[at:]
		if len(rest) > 0 && !firstByte(rest[0], open) || len(rest) > 1 && (rest[1]&0x80 != 0) != (s == decode.Client) {
			return decode.No, 0, work + 1
		}
		f, ok := parseHeader(rest)
		if !ok {
			return decode.Maybe, at + len(rest) + 1, work
		}
		work += int64(f.header)
		if f.length < 0 || f.length > chainLength || f.opcode >= opClose && f.length > 125 ||
			b[at+1]&0x7f == 127 || b[at+1]&0x7f == 126 && f.length < 126 || f.opcode == opClose && f.length == 1 || n > 16 {
			return decode.No, 0, work
		}
		size := f.header + int(f.length)
		if len(rest) < size {
			return decode.Maybe, at + size, work
		}
		if f.opcode == opText && f.fin && f.rsv == 0 {
			work += f.length
			if !isText(rest[f.header:size], f) {
				return decode.No, 0, work
			}
			if likely && f.length >= 16 {
				return decode.Yes, 0, work
			}
		}
		if f.opcode < opClose {
			open = !f.fin
		}
		at += size
		carried += f.length
	}
	return decode.Yes, 0, work
}

// firstByte reports whether a frame may begin with c: no bits but those of
// permessage-deflate are set, and only a message that is open is continued.
func firstByte(c byte, open bool) bool {
	switch c {
	case 0x88, 0x89, 0x8a:
		return true
	case 0x81, 0x82, 0xc1, 0xc2, 0x01, 0x02, 0x41, 0x42:
		return !open
	case 0x00, 0x80:
		return open
	}
	return false
}

// isText reports whether a payload is UTF-8 without control characters.
func isText(payload []byte, f frame) bool {
	plain := append([]byte(nil), payload...)
	if f.masked {
		f.unmask(plain, 0)
	}
	if !utf8.Valid(plain) {
		return false
	}
	for _, c := range plain {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// detect recognises a connection that was joined midstream: one side's first
// bytes are a chain of frames, and the other's are none of something else.
func detect(p *decode.Prefix) decode.Verdict {
	if !p.Midstream {
		return decode.No
	}
	verdict := decode.No
	for s, b := range p.Bytes {
		if len(b) == 0 {
			if verdict == decode.No && s == 0 {
				verdict = decode.Maybe
			}
			continue
		}
		v, _, _ := chain(b, decode.Side(s), true)
		if v == decode.No {
			return decode.No
		}
		verdict = max(verdict, v)
	}
	return verdict
}
