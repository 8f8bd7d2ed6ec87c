package mongodb

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"time"
)

// maxDepth is how deep documents may lie within documents; servers allow 100.
const maxDepth = 128

// maxName is the length of the longest name of an element that is believed.
const maxName = 4096

// walker reads one BSON document that comes in pieces. It holds no more than
// what is left of the last piece, which is less than a name or a number: strings
// go to the sink in the pieces in which they come.
//
// https://bsonspec.org/spec.html
type walker struct {
	sink    sink
	rest    []byte // bytes that came and that are not read yet
	pos     int64  // of the document's bytes were read
	ends    []int64
	arrays  []bool
	state   walkState
	typ     byte
	subtype byte
	left    int64 // of a value's bytes are to come, with its final zero
	shown   int64 // of those are given to the sink
	bad     bool
}

// sink is called with the parts of a document, in order.
type sink interface {
	// open begins a document or an array, which is an element unless it is the
	// outermost one.
	open(array bool)
	close()
	// name begins an element.
	name(name []byte)
	// value is the value of the element, as JSON.
	value(json string)
	// begin begins a string, whose bytes are given to text; typ is its type in BSON,
	// and subtype that of binary data.
	begin(typ, subtype byte)
	text(b []byte)
	end()
}

type walkState uint8

const (
	walkStart walkState = iota
	walkElement
	walkString // before the length of a string
	walkBinary // before the length of binary data
	walkScoped // before the length of code with scope
	walkBytes  // within a string
	walkSkip   // within bytes that are not shown
	walkDone
)

// newWalker returns a walker.
func newWalker(s sink) *walker { return &walker{sink: s} }

// done reports whether the document has ended.
func (w *walker) done() bool { return w.state == walkDone }

// write reads bytes, and returns how many of them belong to the document.
func (w *walker) write(b []byte) int {
	n := 0
	for !w.bad && w.state != walkDone {
		if w.state == walkBytes || w.state == walkSkip {
			// What is left of an earlier piece comes first.
			if k := w.stream(w.rest); k > 0 || len(w.rest) > 0 {
				w.rest = w.rest[:copy(w.rest, w.rest[k:])]
				continue
			}
			k := w.stream(b[n:])
			if n += k; k == 0 {
				break
			}
			continue
		}
		if len(w.rest) == 0 && n < len(b) {
			if k := w.step(b[n:min(len(b), n+maxName+32)]); k > 0 {
				n += k
				continue
			}
		} else if k := w.step(w.rest); k > 0 {
			w.rest = w.rest[:copy(w.rest, w.rest[k:])]
			continue
		}
		if w.bad || n == len(b) {
			break
		}
		// One more byte is enough to try again; a few at once are cheaper.
		k := min(len(b)-n, w.wants())
		w.rest = append(w.rest, b[n:n+k]...)
		n += k
	}
	if w.state == walkDone || w.bad {
		// What was taken in advance belongs to what follows.
		n = max(n-len(w.rest), 0)
		w.rest = nil
	}
	return n
}

// wants returns how many bytes to take in advance: never more than the document
// has.
func (w *walker) wants() int {
	if w.state == walkStart {
		return max(4-len(w.rest), 1)
	}
	left := w.ends[len(w.ends)-1] - w.pos - int64(len(w.rest))
	return int(max(min(left, 64), 1))
}

// take counts bytes that were read.
func (w *walker) take(n int) int {
	w.pos += int64(n)
	return n
}

// stream reads bytes of a string.
func (w *walker) stream(b []byte) int {
	n := min(w.left, int64(len(b)))
	if n == 0 {
		return 0
	}
	if w.state == walkBytes {
		if k := min(n, w.shown); k > 0 {
			w.sink.text(b[:k])
			w.shown -= k
		}
	}
	w.left -= n
	w.take(int(n))
	if w.left == 0 {
		if w.state == walkBytes {
			w.sink.end()
		}
		w.state = walkElement
	}
	return int(n)
}

// step reads one part of the document, and returns its length; 0: more bytes are
// needed.
func (w *walker) step(b []byte) int {
	switch w.state {
	case walkStart:
		if len(b) < 4 {
			return 0
		}
		return w.push(b, false, math.MaxInt32)
	case walkElement:
		return w.element(b)
	}
	if len(b) < 4 {
		return 0
	}
	n := int64(int32(binary.LittleEndian.Uint32(b)))
	end := w.ends[len(w.ends)-1]
	switch w.state {
	case walkString:
		more := int64(0)
		if w.typ == typePointer {
			more = 12 // an ObjectID follows, which is not shown
		}
		if n < 1 || w.pos+4+n+more > end {
			return w.fail()
		}
		w.begin(n+more, n-1)
		return w.take(4)
	case walkScoped:
		if n < 14 || w.pos+n > end {
			return w.fail()
		}
		w.sink.value(`{"$code":…}`)
		w.state, w.left = walkSkip, n-4
		return w.take(4)
	}
	if len(b) < 5 {
		return 0
	}
	if n < 0 || w.pos+5+n > end {
		return w.fail()
	}
	w.binaryValue(b[4], n)
	return w.take(5)
}

// begin begins a string of n bytes, of which some are shown.
func (w *walker) begin(n, shown int64) {
	w.sink.begin(w.typ, w.subtype)
	w.state, w.left, w.shown = walkBytes, n, shown
	if n == 0 {
		w.sink.end()
		w.state = walkElement
	}
}

// binaryValue begins binary data.
func (w *walker) binaryValue(subtype byte, n int64) {
	if w.subtype = subtype; subtype == 4 && n == 16 {
		w.typ = typeUUID
	}
	w.begin(n, n)
}

func (w *walker) fail() int {
	w.bad = true
	return 0
}

// push begins a document within limit bytes.
func (w *walker) push(b []byte, array bool, limit int64) int {
	n := int64(int32(binary.LittleEndian.Uint32(b)))
	if n < 5 || n > limit || len(w.ends) >= maxDepth {
		return w.fail()
	}
	w.ends = append(w.ends, w.pos+n)
	w.arrays = append(w.arrays, array)
	w.sink.open(array)
	w.state = walkElement
	return w.take(4)
}

// Types of BSON, and one for what is shown as a UUID.
const (
	typeDouble    = 0x01
	typeString    = 0x02
	typeDocument  = 0x03
	typeArray     = 0x04
	typeBinary    = 0x05
	typeUndefined = 0x06
	typeObjectID  = 0x07
	typeBool      = 0x08
	typeDate      = 0x09
	typeNull      = 0x0a
	typeRegex     = 0x0b
	typePointer   = 0x0c
	typeCode      = 0x0d
	typeSymbol    = 0x0e
	typeScoped    = 0x0f
	typeInt32     = 0x10
	typeTimestamp = 0x11
	typeInt64     = 0x12
	typeDecimal   = 0x13
	typeMin       = 0xff
	typeMax       = 0x7f
	typeUUID      = 0x80
)

// element reads a type, a name and, where it is short, the value.
func (w *walker) element(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	end := w.ends[len(w.ends)-1]
	if b[0] == 0 {
		if w.pos+1 != end {
			return w.fail()
		}
		w.sink.close()
		w.ends, w.arrays = w.ends[:len(w.ends)-1], w.arrays[:len(w.arrays)-1]
		if len(w.ends) == 0 {
			w.state = walkDone
		}
		return w.take(1)
	}
	i := bytes.IndexByte(b[1:], 0)
	if i < 0 {
		if len(b) > maxName {
			return w.fail()
		}
		return 0
	}
	name, v := b[1:i+1], b[i+2:]
	head := i + 2
	n := fixed(b[0])
	switch b[0] {
	case typeDocument, typeArray:
		n = 4
	case typeRegex:
		if n = regexLen(v); n < 0 {
			if len(b) > maxName {
				return w.fail()
			}
			return 0
		}
	}
	switch {
	case n < 0 || w.pos+int64(head+n) >= end:
		return w.fail()
	case len(v) < n:
		return 0
	}
	w.typ = b[0]
	w.sink.name(name)
	switch w.typ {
	case typeDocument, typeArray:
		w.take(head)
		if w.push(v, w.typ == typeArray, end-w.pos-1) == 0 {
			return 0
		}
		return head + 4
	case typeString, typeCode, typeSymbol, typePointer:
		w.state = walkString
	case typeBinary:
		w.state = walkBinary
	case typeScoped:
		w.state = walkScoped
	default:
		w.sink.value(scalar(w.typ, v[:n]))
	}
	return w.take(head + n)
}

// regexLen returns the length of a regular expression's two strings, -1 where
// more bytes are needed.
func regexLen(b []byte) int {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return -1
	}
	j := bytes.IndexByte(b[i+1:], 0)
	if j < 0 {
		return -1
	}
	return i + j + 2
}

// fixed returns the length of a type's values, 0 of those with a length of their
// own, -1 of what is no type.
func fixed(typ byte) int {
	switch typ {
	case typeDouble, typeDate, typeTimestamp, typeInt64:
		return 8
	case typeString, typeDocument, typeArray, typeBinary, typeUndefined, typeNull, typeRegex, typePointer, typeCode,
		typeSymbol, typeScoped, typeMin, typeMax:
		return 0
	case typeObjectID:
		return 12
	case typeBool:
		return 1
	case typeInt32:
		return 4
	case typeDecimal:
		return 16
	}
	return -1
}

// scalar returns a value of fixed length in relaxed Extended JSON.
//
// https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md
func scalar(typ byte, v []byte) string {
	le := binary.LittleEndian
	switch typ {
	case typeDouble:
		return double(math.Float64frombits(le.Uint64(v)))
	case typeUndefined:
		return `{"$undefined":true}`
	case typeObjectID:
		return `{"$oid":"` + hexOf(v) + `"}`
	case typeBool:
		if v[0] == 0 {
			return "false"
		}
		return "true"
	case typeDate:
		return date(int64(le.Uint64(v)))
	case typeNull:
		return "null"
	case typeRegex:
		pattern, options, _ := bytes.Cut(v, []byte{0})
		return `{"$regularExpression":{"pattern":"` + string(appendJSON(nil, pattern)) + `","options":"` + string(appendJSON(nil, bytes.TrimSuffix(options, []byte{0}))) + `"}}`
	case typeInt32:
		return strconv.FormatInt(int64(int32(le.Uint32(v))), 10)
	case typeTimestamp:
		return `{"$timestamp":{"t":` + strconv.FormatUint(uint64(le.Uint32(v[4:])), 10) + `,"i":` + strconv.FormatUint(uint64(le.Uint32(v)), 10) + `}}`
	case typeInt64:
		return strconv.FormatInt(int64(le.Uint64(v)), 10)
	case typeDecimal:
		return `{"$numberDecimal":"` + decimal(le.Uint64(v[8:]), le.Uint64(v)) + `"}`
	case typeMin:
		return `{"$minKey":1}`
	case typeMax:
		return `{"$maxKey":1}`
	}
	return "null"
}

func double(f float64) string {
	switch {
	case math.IsNaN(f):
		return `{"$numberDouble":"NaN"}`
	case math.IsInf(f, 1):
		return `{"$numberDouble":"Infinity"}`
	case math.IsInf(f, -1):
		return `{"$numberDouble":"-Infinity"}`
	case f == math.Trunc(f) && math.Abs(f) < 1e15:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// date returns milliseconds since 1970: as text where the year has four digits.
func date(ms int64) string {
	if ms < 0 || ms > 253402300799999 {
		return `{"$date":{"$numberLong":"` + strconv.FormatInt(ms, 10) + `"}}`
	}
	layout := "2006-01-02T15:04:05Z"
	if ms%1000 != 0 {
		layout = "2006-01-02T15:04:05.000Z"
	}
	return `{"$date":"` + time.UnixMilli(ms).UTC().Format(layout) + `"}`
}
