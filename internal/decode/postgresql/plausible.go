package postgresql

import (
	"bytes"
	"encoding/binary"
	"strings"

	"lodge/internal/decode"
)

const (
	clientKinds = "QPBDECSHXFdcfp"
	serverKinds = "RKSZTDCIEN123tnsAGHWdcVv"
)

// isKind reports whether a side sends messages of a kind.
func isKind(s decode.Side, kind byte) bool {
	if s == decode.Client {
		return strings.IndexByte(clientKinds, kind) >= 0
	}
	return strings.IndexByte(serverKinds, kind) >= 0
}

// maxSought is the length of the messages that are found in the middle of a
// stream.
const maxSought = 64 << 10

// plausible reports whether a message begins with b: not only its kind and
// length, but also its fields are such that it is no chance. The answer for the
// first bytes holds whatever follows.
func plausible(s decode.Side, b []byte) decode.Verdict {
	if len(b) == 0 {
		return decode.Maybe
	}
	if !isKind(s, b[0]) || len(b) > 1 && b[1] != 0 || len(b) > 2 && b[2] > 1 {
		return decode.No
	}
	if len(b) < 5 {
		return decode.Maybe
	}
	n := int(binary.BigEndian.Uint32(b[1:]))
	if n < 4 || n > maxSought || !fits(s, b[0], n) {
		return decode.No
	}
	if len(b) < n+1 {
		return decode.Maybe
	}
	body := b[5 : n+1]
	if b[0] == 'd' {
		return header(s, b[n+1:])
	}
	ok := false
	if s == decode.Client {
		ok = clientFields(b[0], body)
	} else {
		ok = serverFields(b[0], body)
	}
	if !ok {
		return decode.No
	}
	return decode.Yes
}

// header reports whether b begins as a message does: all that can be said
// after data of COPY, which may be anything.
func header(s decode.Side, b []byte) decode.Verdict {
	if len(b) > 0 && !isKind(s, b[0]) || len(b) > 1 && b[1] != 0 {
		return decode.No
	}
	if len(b) < 5 {
		return decode.Maybe
	}
	if n := int(binary.BigEndian.Uint32(b[1:])); n < 4 || !fits(s, b[0], n) {
		return decode.No
	}
	return decode.Yes
}

// fits reports whether messages of a kind may have a length.
func fits(s decode.Side, kind byte, n int) bool {
	if s == decode.Client {
		switch kind {
		case 'S', 'H', 'X', 'c':
			return n == 4
		case 'p', 'F':
			return false // neither is sought
		}
		return n > 4
	}
	switch kind {
	case '1', '2', '3', 'n', 's', 'I', 'c':
		return n == 4
	case 'Z':
		return n == 5
	case 'C':
		return n > 6 && n < 80
	case 'R', 'K', 'v':
		return false
	}
	return n > 5
}

func clientFields(kind byte, body []byte) bool {
	r := reader{b: body}
	switch kind {
	case 'S', 'H', 'X', 'c':
		return true
	case 'Q', 'f':
		return isText(r.text()) && r.end()
	case 'P':
		if !texts(&r, 2) {
			return false
		}
		r.take(4 * r.int16())
		return r.end()
	case 'B':
		if !texts(&r, 2) || !formats(&r) {
			return false
		}
		values(&r)
		return formats(&r) && r.end()
	case 'D', 'C':
		what := r.byte()
		return (what == 'S' || what == 'P') && isText(r.text()) && r.end()
	case 'E':
		return isText(r.text()) && r.int32() >= 0 && r.end()
	}
	return false
}

func serverFields(kind byte, body []byte) bool {
	r := reader{b: body}
	switch kind {
	case '1', '2', '3', 'n', 's', 'I', 'c':
		return true
	case 'Z':
		return strings.IndexByte("ITE", body[0]) >= 0
	case 'C':
		tag := r.text()
		return isText(tag) && tag >= "A" && tag < "[" && r.end()
	case 'T':
		for n := r.int16(); n > 0 && !r.bad; n-- {
			if !isText(r.text()) {
				return false
			}
			if d := r.take(18); d != nil && (d[16] != 0 || d[17] > 1) {
				return false
			}
		}
		return r.end()
	case 't':
		r.take(4 * r.int16())
		return r.end()
	case 'D':
		values(&r)
		return r.end()
	case 'E', 'N':
		if r.byte() != 'S' {
			return false
		}
		for c := byte('S'); c != 0 && !r.bad; c = r.byte() {
			r.text()
		}
		return r.end()
	case 'S':
		return texts(&r, 2) && r.end()
	case 'A':
		r.int32()
		return texts(&r, 2) && r.end()
	case 'G', 'H', 'W':
		if r.byte() > 1 {
			return false
		}
		r.take(2 * r.int16())
		return r.end()
	case 'V':
		if n := r.int32(); n >= 0 {
			r.take(int(n))
		}
		return r.end()
	}
	return false
}

// texts passes over n strings, and reports whether they are text.
func texts(r *reader, n int) bool {
	for range n {
		if !isText(r.text()) {
			return false
		}
	}
	return true
}

// values passes over a list of values, each with its length.
func values(r *reader) {
	for n := r.int16(); n > 0 && !r.bad; n-- {
		if size := r.int32(); size != -1 {
			r.take(int(size))
		}
	}
}

// formats passes over a list of format codes, and reports whether it is one.
func formats(r *reader) bool {
	for n := r.int16(); n > 0 && !r.bad; n-- {
		if r.int16() > 1 {
			return false
		}
	}
	return !r.bad
}

// isText reports whether a string has no control characters but for white space.
func isText(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && (c < '\t' || c > '\r') {
			return false
		}
	}
	return true
}

// detect implements [decode.Protocol.Detect].
func detect(p *decode.Prefix) decode.Verdict {
	if p.Midstream {
		return detectMidstream(p)
	}
	b := p.Bytes[decode.Client]
	if len(b) == 0 && len(p.Bytes[decode.Server]) > 0 {
		return decode.No // the client speaks first
	}
	if v := opens(b); v != decode.Maybe || !p.Ended[decode.Client] && len(b) < decode.PrefixBytes {
		return v
	}
	return decode.No
}

// opens reports whether a client's first message begins with b.
func opens(b []byte) decode.Verdict {
	// A length of at most 10000, then a code.
	if len(b) > 0 && b[0] != 0 || len(b) > 1 && b[1] != 0 || len(b) > 2 && b[2] > maxStartup>>8 {
		return decode.No
	}
	if len(b) < 8 {
		return decode.Maybe
	}
	n := binary.BigEndian.Uint32(b)
	switch code := binary.BigEndian.Uint32(b[4:]); {
	case (code == codeSSL || code == codeGSS) && n == 8:
		return decode.Yes
	case code == codeCancel && n >= 16 && n <= 12+256:
		return decode.Yes
	case code>>16 != 3 || n < 9 || n > maxStartup:
		return decode.No
	}
	// Other protocols begin with such bytes too (a Kafka client that asks for
	// metadata): the name of a parameter must follow, and its value.
	rest := b[8:min(len(b), int(n))]
	name, value, found := bytes.Cut(rest, []byte{0})
	for i, c := range name {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c != '_' && c != '.' && (c < '0' || c > '9')) {
			return decode.No
		}
	}
	if found && len(name) > 0 && bytes.IndexByte(value, 0) > 0 {
		return decode.Yes
	}
	if found && len(name) == 0 || len(b) >= int(n) {
		return decode.No
	}
	return decode.Maybe
}

// detectMidstream looks for two messages in a row, for one query at the begin, or
// for the begin of a session: what was missed may be no more than the packets
// before it.
func detectMidstream(p *decode.Prefix) decode.Verdict {
	if len(p.Bytes[decode.Server]) == 0 && opens(p.Bytes[decode.Client]) == decode.Yes {
		return decode.Yes
	}
	for s, b := range p.Bytes {
		side := decode.Side(s)
		for i := range b {
			if plausible(side, b[i:]) != decode.Yes {
				continue
			}
			if i == 0 && b[0] == 'Q' && side == decode.Client {
				return decode.Yes
			}
			n := int(binary.BigEndian.Uint32(b[i+1:])) + 1
			if b[i] != 'd' && plausible(side, b[i+n:]) == decode.Yes && len(b) > i+n {
				return decode.Yes
			}
		}
	}
	if len(p.Bytes[0]) >= decode.PrefixBytes && len(p.Bytes[1]) >= decode.PrefixBytes {
		return decode.No
	}
	return decode.Maybe
}
