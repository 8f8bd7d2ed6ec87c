package http2

import (
	"bytes"

	"lodge/internal/decode"
)

// detect recognises a connection by the client's preface, and one that was
// joined midstream by a chain of frames.
func detect(p *decode.Prefix) decode.Verdict {
	client, server := p.Bytes[decode.Client], p.Bytes[decode.Server]
	if n := min(len(client), len(preface)); n > 0 && string(client[:n]) == preface[:n] {
		if n == len(preface) {
			return decode.Yes
		}
		return decode.Maybe
	}
	if p.Midstream {
		return detectFrames(p)
	}
	if len(client) > 0 {
		return decode.No
	}
	// The server may speak first, with its SETTINGS.
	if n := min(len(server), headerLen); n == headerLen {
		if f := parseFrame(server); f.kind != frameSettings || f.has(flagAck) || !f.likely() {
			return decode.No
		}
	} else if !bytes.HasPrefix([]byte{0, 0}, server[:min(n, 2)]) {
		return decode.No
	}
	return decode.Maybe
}

// neutralFrames is how many frames in a chain are taken for HTTP/2 where none of
// them says which side sent it.
const neutralFrames = 4

func detectFrames(p *decode.Prefix) decode.Verdict {
	none, neutral := 0, 0
	for s, b := range p.Bytes {
		e := look(b)
		switch {
		case e.none:
			none++
			if p.Ended[s] || len(b) >= decode.PrefixBytes {
				continue
			}
		case e.sender[s]:
			return decode.Yes
		case e.sender[1-s]:
			return decode.No
		default:
			neutral = max(neutral, e.frames)
		}
	}
	switch {
	case none == 2:
		return decode.No
	case neutral >= neutralFrames:
		return decode.Yes
	}
	return decode.Maybe
}

// evidence is what bytes from the middle of a connection look like.
type evidence struct {
	frames int
	sender [2]bool // a frame can only be from this side
	none   bool    // they are no frames
}

// look walks over the frames in b.
func look(b []byte) (e evidence) {
	t := newTable(decode.Limits{Message: 1 << 16, Statements: 1 << 10})
	t.forget("")
	var q search
	i, ok := q.find(b)
	if !ok {
		e.none = len(q.maybe) == 0 && len(b) >= headerLen
		return e
	}
	for b = b[i:]; len(b) >= headerLen; e.frames++ {
		f := parseFrame(b)
		if !f.likely() {
			return evidence{none: e.frames < neutralFrames}
		}
		if len(b) < headerLen+f.length {
			break
		}
		if s, ok := sender(f, b[headerLen:headerLen+f.length], t); ok {
			e.sender[s] = true
			return e
		}
		b = b[headerLen+f.length:]
	}
	return e
}

// sender returns which side a frame must come from, if that can be told.
func sender(f frame, payload []byte, t *table) (decode.Side, bool) {
	switch {
	case f.kind == framePush:
		return decode.Server, true
	case f.kind == frameHeaders && f.has(flagEndHeaders):
		block, ok := fragment(f, payload)
		if !ok {
			return 0, false
		}
		l, err := t.decode(block, 1<<16)
		if err != nil {
			return 0, false
		}
		return senderOf(&l)
	}
	return 0, false
}

// senderOf returns which side a header block comes from.
func senderOf(l *list) (decode.Side, bool) {
	for _, name := range []string{":status", "grpc-status"} {
		if _, ok := l.get(name); ok {
			return decode.Server, true
		}
	}
	for _, name := range []string{":method", ":path", ":scheme", ":authority"} {
		if _, ok := l.get(name); ok {
			return decode.Client, true
		}
	}
	return 0, false
}

// fragment returns what a HEADERS or PUSH_PROMISE frame has of a header block,
// without padding, priority and the promised stream.
func fragment(f frame, p []byte) ([]byte, bool) {
	pad, skip := 0, 0
	if f.has(flagPadded) {
		if len(p) == 0 {
			return nil, false
		}
		pad, p = int(p[0]), p[1:]
	}
	switch {
	case f.kind == framePush:
		skip = 4
	case f.has(flagPriority):
		skip = 5
	}
	if skip+pad > len(p) {
		return nil, false
	}
	return p[skip : len(p)-pad], true
}
