package dns

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// reader reads a message, in which names point to each other.
type reader struct {
	b   []byte
	at  int
	bad bool // it is not what a message has
	cut bool // it ended too early
}

func (r *reader) bytes(n int) []byte {
	if r.bad || n < 0 || n > len(r.b)-r.at {
		r.cut = r.cut || !r.bad
		r.bad = true
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at : r.at]
}

func (r *reader) uint8() uint8 {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) left() int { return len(r.b) - r.at }

// name reads a name, which may end in a pointer to an earlier one.
func (r *reader) name() string {
	var w strings.Builder
	size, back := 0, -1 // back is where reading goes on after the first pointer
	from := r.at
	for {
		n := int(r.uint8())
		if r.bad {
			return ""
		}
		switch {
		case n == 0:
			if back >= 0 {
				r.at = back
			}
			if w.Len() == 0 {
				return "."
			}
			return w.String()
		case n >= 0xc0:
			to := n&0x3f<<8 | int(r.uint8())
			if r.bad {
				return ""
			}
			if back < 0 {
				back = r.at
			}
			// A pointer goes back: names in a circle are none.
			if to >= from {
				r.bad = true
				return ""
			}
			r.at, from = to, to
		case n > 63:
			r.bad = true
			return ""
		default:
			label := r.bytes(n)
			if size += n + 1; size > 254 {
				r.bad = true
			}
			if r.bad {
				return ""
			}
			if w.Len() > 0 {
				w.WriteByte('.')
			}
			escape(&w, label)
		}
	}
}

// escape writes a label as zone files have it.
func escape(w *strings.Builder, label []byte) {
	for _, c := range label {
		switch {
		case c == '.' || c == '\\':
			w.WriteByte('\\')
			w.WriteByte(c)
		case c <= ' ' || c == 0x7f:
			fmt.Fprintf(w, "\\%03d", c)
		default:
			w.WriteByte(c) // mDNS has names in UTF-8
		}
	}
}

type question struct {
	name  string
	typ   uint16
	class uint16
}

// record is a resource record, with its data as text.
type record struct {
	name  string
	typ   uint16
	class uint16
	ttl   uint32
	data  string
	soa   uint32 // the serial number of a SOA
}

type message struct {
	id        uint16
	flags     uint16
	questions []question
	answers   []record
	authority []record
	more      []record // additional
	edns      string   // of OPT
	rcode     int
	rest      int // bytes that follow the message
}

func (m *message) response() bool { return m.flags&flagResponse != 0 }

func (m *message) opcode() int { return int(m.flags >> 11 & 0xf) }

// parse reads a whole message, and reports whether it is one.
func parse(b []byte) (*message, bool) {
	r := &reader{b: b}
	m := &message{id: r.uint16(), flags: r.uint16()}
	m.rcode = int(m.flags & 0xf)
	counts := [4]int{int(r.uint16()), int(r.uint16()), int(r.uint16()), int(r.uint16())}
	if r.bad {
		return nil, false
	}
	for range counts[0] {
		q := question{name: r.name(), typ: r.uint16(), class: r.uint16()}
		if r.bad {
			return nil, false
		}
		m.questions = append(m.questions, q)
	}
	for i, to := range []*[]record{&m.answers, &m.authority, &m.more} {
		for range counts[i+1] {
			rr, ok := m.record(r)
			if !ok {
				return nil, false
			}
			if rr.typ != typeOPT {
				*to = append(*to, rr)
			}
		}
	}
	m.rest = r.left()
	return m, m.rest == 0
}

func (m *message) record(r *reader) (rr record, ok bool) {
	rr = record{name: r.name(), typ: r.uint16(), class: r.uint16(), ttl: r.uint32()}
	n := int(r.uint16())
	if r.bad || n > r.left() {
		return rr, false
	}
	end := r.at + n
	sub := &reader{b: r.b[:end], at: r.at}
	switch {
	case rr.typ == typeOPT:
		m.rcode |= int(rr.ttl>>24) << 4
		m.edns = edns(sub, rr)
	case n == 0: // as in updates
	default:
		rr.data, rr.soa = data(sub, rr.typ)
		if sub.bad || sub.left() > 0 {
			rr.data = opaque(r.b[r.at:end])
		}
	}
	r.at = end
	return rr, true
}

func (rr record) String() string {
	class := ""
	if c := rr.class &^ 0x8000; c != 1 { // the highest bit is mDNS's cache-flush
		class = className(c) + " "
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d %s%s %s", rr.name, rr.ttl, class, typeName(rr.typ), rr.data))
}

// opaque returns data as RFC 3597 writes it.
func opaque(b []byte) string {
	if len(b) > 32 {
		return fmt.Sprintf("\\# %d %x…", len(b), b[:32])
	}
	return fmt.Sprintf("\\# %d %x", len(b), b)
}
