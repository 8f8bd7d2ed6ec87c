package http2

import (
	"errors"
	"strings"

	"golang.org/x/net/http2/hpack"
)

var errHPACK = errors.New("header block is not HPACK")

// list is a decoded header block. Its fields are valid until the next block of
// the side is decoded.
type list struct {
	fields []entry
	size   int
	// dropped counts fields that were decoded and are more than what is kept.
	dropped int
}

func (l *list) add(e entry, limit int) {
	if l.size += e.size(); l.size > limit {
		l.dropped++
		return
	}
	l.fields = append(l.fields, e)
}

// get returns the value of the first field of a name, and whether there is one
// that is known.
func (l *list) get(name string) (string, bool) {
	for i := range l.fields {
		if f := &l.fields[i]; !f.noName && f.name == name {
			return f.value, !f.noValue
		}
	}
	return "", false
}

// fieldsOnly reports whether the block is known to have no pseudo-header field, as
// trailers have none.
func (l *list) fieldsOnly() bool {
	for i := range l.fields {
		if f := &l.fields[i]; f.noName || strings.HasPrefix(f.name, ":") {
			return false
		}
	}
	return len(l.fields) > 0
}

// hidden reports whether a name or a value in the block is not known.
func (l *list) hidden() bool {
	for i := range l.fields {
		if l.fields[i].noName || l.fields[i].noValue {
			return true
		}
	}
	return false
}

// maxScratch is how many fields of a header block's memory are kept for the next.
const maxScratch = 128

// decode decodes a header block (RFC 7541, section 6) and changes the table as
// it says. Fields over limit bytes, as HPACK counts them, are not returned.
//
// It is not hpack's decoder because that one gives a connection up at the first
// reference to an entry that it has not seen.
func (t *table) decode(b []byte, limit int) (l list, err error) {
	l.fields = t.scratch[:0]
	defer func() {
		if t.scratch = l.fields; cap(l.fields) > maxScratch {
			t.scratch = nil
		}
	}()
	for len(b) > 0 {
		c := b[0]
		var n uint64
		switch {
		case c&0x80 != 0: // indexed
			if n, b, err = integer(b, 7); err != nil {
				return l, err
			}
			e, ok := t.at(n)
			if !ok {
				return l, errHPACK
			}
			l.add(e, limit)
			continue
		case c&0xe0 == 0x20: // size update
			if n, b, err = integer(b, 5); err != nil {
				return l, err
			}
			t.resize(n)
			continue
		case c&0x40 != 0: // literal, to be inserted
			n, b, err = integer(b, 6)
		default: // literal, with or without the request never to index it
			n, b, err = integer(b, 4)
		}
		if err != nil {
			return l, err
		}
		var e entry
		if n == 0 {
			if e.name, b, err = text(b); err != nil {
				return l, err
			}
		} else {
			from, ok := t.at(n)
			if !ok {
				return l, errHPACK
			}
			e.name, e.noName = from.name, from.noName
			if e.noName {
				e.index = n
			}
		}
		if e.value, b, err = text(b); err != nil {
			return l, err
		}
		if c&0xc0 == 0x40 {
			t.add(e)
		}
		l.add(e, limit)
	}
	return l, nil
}

// integer reads an integer whose first byte has it in its last bits.
func integer(b []byte, bits uint) (uint64, []byte, error) {
	if len(b) == 0 {
		return 0, nil, errHPACK
	}
	most := uint64(1)<<bits - 1
	n := uint64(b[0]) & most
	b = b[1:]
	if n < most {
		return n, b, nil
	}
	for shift := uint(0); shift <= 28; shift += 7 {
		if len(b) == 0 {
			return 0, nil, errHPACK
		}
		c := b[0]
		b = b[1:]
		n += uint64(c&0x7f) << shift
		if c&0x80 == 0 {
			return n, b, nil
		}
	}
	return 0, nil, errHPACK
}

// text reads a string.
func text(b []byte) (string, []byte, error) {
	if len(b) == 0 {
		return "", nil, errHPACK
	}
	huffman := b[0]&0x80 != 0
	n, b, err := integer(b, 7)
	if err != nil || n > uint64(len(b)) {
		return "", nil, errHPACK
	}
	if !huffman {
		return string(b[:n]), b[n:], nil
	}
	s, err := hpack.HuffmanDecodeToString(b[:n])
	if err != nil {
		return "", nil, errHPACK
	}
	return s, b[n:], nil
}
