package protobuf

import (
	"fmt"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"

	"lodge/internal/decode"
)

// maxDepth is how deep messages are nested in text; what is deeper is bytes.
const maxDepth = 16

// Text writes messages as text.
type Text struct {
	// Types has the messages and enums that fields are of. It may be nil.
	Types Types
	// Secret reports whether the value of a field is masked, by the field's name. It
	// may be nil.
	Secret func(name string) bool
	// Limit is how many bytes are written at most.
	Limit int
}

// Types finds descriptors by their names in full. [Files] does.
type Types interface {
	// FindMessage returns a message, or nil.
	FindMessage(name string) *Message
	// FindEnum returns the name of an enum's value, or "".
	FindEnum(enum string, value int32) string
}

// Append appends a message as text. Its type may be nil: its fields are written
// with their numbers then, as protoc --decode_raw does. It reports whether all of
// the message was written; where it was not, it was too long or malformed, and
// what could be read of it was.
func (t Text) Append(dst, b []byte, m *Message) ([]byte, bool) {
	w := writer{t: t, dst: dst, end: len(dst) + t.Limit}
	w.message(b, m, 0)
	if len(w.dst) > w.end {
		w.dst, w.over = w.dst[:w.end], true
	}
	return w.dst, !w.over && !w.bad
}

type writer struct {
	t         Text
	dst       []byte
	end       int
	over, bad bool
	groups    []group
}

// group is a message whose end is a field of its own.
type group struct {
	number uint32
	m      *Message
}

func (w *writer) put(s string) { w.dst = append(w.dst, s...) }

func (w *writer) indent(depth int) {
	for range depth {
		w.put("  ")
	}
}

// message writes the fields of a message, each on a line.
func (w *writer) message(b []byte, m *Message, depth int) {
	groups := len(w.groups)
	for len(b) > 0 && !w.bad {
		if len(w.dst) >= w.end {
			w.over = true
			return
		}
		f, rest, err := next(b)
		if err != nil {
			w.bad = true
			return
		}
		b = rest
		level := depth + len(w.groups) - groups
		if f.wire == wireEnd {
			if len(w.groups) == groups || w.groups[len(w.groups)-1].number != f.number {
				w.bad = true
				return
			}
			m = w.groups[len(w.groups)-1].m
			w.groups = w.groups[:len(w.groups)-1]
			w.indent(level - 1)
			w.put("}\n")
			continue
		}
		w.indent(level)
		d := m.field(f.number)
		if d != nil {
			w.put(d.Name)
		} else {
			w.put(strconv.FormatUint(uint64(f.number), 10))
		}
		if f.wire == wireGroup {
			if level >= maxDepth {
				w.bad = true
				return
			}
			w.groups = append(w.groups, group{f.number, m})
			m = w.typeOf(d)
			w.put(" {\n")
			continue
		}
		w.value(f, d, level)
		w.put("\n")
	}
	if len(w.groups) > groups {
		w.groups, w.bad = w.groups[:groups], true
	}
}

// typeOf returns the type of a field that is a message, if it is known.
func (w *writer) typeOf(d *Field) *Message {
	if d == nil || d.TypeName == "" || w.t.Types == nil {
		return nil
	}
	return w.t.Types.FindMessage(d.TypeName)
}

// value writes the value of a field.
func (w *writer) value(f field, d *Field, depth int) {
	if f.wire != wireBytes {
		w.put(": ")
		w.number(f, d)
		return
	}
	if d == nil {
		w.guess(f.bytes, depth)
		return
	}
	switch d.Type {
	case typeString, typeBytes:
		w.put(": ")
		if len(f.bytes) > 0 && w.t.Secret != nil && w.t.Secret(d.Name) {
			w.put(`"` + decode.Masked + `"`)
			return
		}
		w.quote(f.bytes)
	case typeMessage, typeGroup:
		if depth >= maxDepth || !valid(f.bytes) {
			w.put(": ")
			w.quote(f.bytes)
			return
		}
		w.nested(f.bytes, w.typeOf(d), depth)
	default:
		w.packed(f.bytes, d)
	}
}

func (w *writer) nested(b []byte, m *Message, depth int) {
	if len(b) == 0 {
		w.put(" {}")
		return
	}
	w.put(" {\n")
	w.message(b, m, depth+1)
	w.indent(depth)
	w.put("}")
}

// guess writes bytes whose type is not known: as a text if they can be read as
// one, else as a message if they are one.
func (w *writer) guess(b []byte, depth int) {
	if len(b) > 0 && depth < maxDepth && !readable(b) && valid(b) {
		w.nested(b, nil, depth)
		return
	}
	w.put(": ")
	w.quote(b)
}

// readable reports whether bytes are a text in which nothing looks like the tag
// of a field.
func readable(b []byte) bool {
	spaces := false
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			return false
		case r == '\n', r == '\r', r == '\t':
			spaces = true
		case !unicode.IsPrint(r):
			return false
		}
		i += n
	}
	return !spaces || !valid(b)
}

// number writes a number of a type, if that is known.
func (w *writer) number(f field, d *Field) {
	v := f.value
	kind := 0
	if d != nil {
		kind = d.Type
	}
	switch kind {
	case typeBool:
		w.put(strconv.FormatBool(v != 0))
	case typeInt32, typeInt64, typeSfixed64:
		w.put(strconv.FormatInt(int64(v), 10))
	case typeSfixed32:
		w.put(strconv.FormatInt(int64(int32(v)), 10))
	case typeSint32, typeSint64:
		w.put(strconv.FormatInt(int64(v>>1)^-int64(v&1), 10))
	case typeUint32, typeUint64, typeFixed32, typeFixed64:
		w.put(strconv.FormatUint(v, 10))
	case typeDouble:
		w.float(math.Float64frombits(v), 64)
	case typeFloat:
		w.float(float64(math.Float32frombits(uint32(v))), 32)
	case typeEnum:
		if w.t.Types != nil {
			if name := w.t.Types.FindEnum(d.TypeName, int32(v)); name != "" {
				w.put(name)
				return
			}
		}
		w.put(strconv.FormatInt(int64(int32(v)), 10))
	default:
		switch f.wire {
		case wireI32:
			w.dst = fmt.Appendf(w.dst, "0x%08x", v)
		case wireI64:
			w.dst = fmt.Appendf(w.dst, "0x%016x", v)
		default:
			w.put(strconv.FormatUint(v, 10))
		}
	}
}

func (w *writer) float(v float64, bits int) {
	switch {
	case math.IsNaN(v):
		w.put("nan")
	case math.IsInf(v, 1):
		w.put("inf")
	case math.IsInf(v, -1):
		w.put("-inf")
	default:
		w.dst = strconv.AppendFloat(w.dst, v, 'g', -1, bits)
	}
}

// packed writes numbers that are one after the other in a field.
func (w *writer) packed(b []byte, d *Field) {
	w.put(": [")
	for i := 0; len(b) > 0; i++ {
		if len(w.dst) >= w.end {
			w.over = true
			break
		}
		if i > 0 {
			w.put(", ")
		}
		var f field
		var err error
		switch d.Type {
		case typeDouble, typeFixed64, typeSfixed64:
			f.wire = wireI64
			f.value, b, err = fixed(b, 8)
		case typeFloat, typeFixed32, typeSfixed32:
			f.wire = wireI32
			f.value, b, err = fixed(b, 4)
		default:
			f.value, b, err = varint(b)
		}
		if err != nil {
			w.bad = true
			break
		}
		w.number(f, d)
	}
	w.put("]")
}

// quote writes bytes as a quoted text.
func (w *writer) quote(b []byte) {
	w.put(`"`)
	for len(b) > 0 {
		if len(w.dst) >= w.end {
			w.over = true
			w.put("...")
			break
		}
		r, n := utf8.DecodeRune(b)
		switch {
		case r == '"' || r == '\\':
			w.dst = append(w.dst, '\\', b[0])
		case r == '\n':
			w.put(`\n`)
		case r == '\r':
			w.put(`\r`)
		case r == '\t':
			w.put(`\t`)
		case r == utf8.RuneError && n <= 1 || !unicode.IsPrint(r):
			for _, c := range b[:n] {
				w.dst = fmt.Appendf(w.dst, `\%03o`, c)
			}
		default:
			w.dst = append(w.dst, b[:n]...)
		}
		b = b[n:]
	}
	w.put(`"`)
}
