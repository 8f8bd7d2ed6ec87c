package mysql

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"lodge/internal/decode/sqltext"
)

// The types of columns and parameters:
// https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html
const (
	typeTiny      = 0x01
	typeShort     = 0x02
	typeLong      = 0x03
	typeFloat     = 0x04
	typeDouble    = 0x05
	typeNull      = 0x06
	typeTimestamp = 0x07
	typeLongLong  = 0x08
	typeInt24     = 0x09
	typeDate      = 0x0a
	typeTime      = 0x0b
	typeDatetime  = 0x0c
	typeYear      = 0x0d
)

// valueType is the type of a value.
type valueType struct {
	kind     byte
	unsigned bool
}

// column is one column of a result.
type column struct {
	name string
	own  string // the name that it has in its table
	valueType
}

// readColumn reads the definition of a column:
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_column_definition.html
func readColumn(b []byte, extended bool) (c column, ok bool) {
	r := reader{b: b}
	r.sized() // catalog
	r.sized() // schema
	r.sized() // table
	r.sized() // the table's own name
	c.name = string(r.sized())
	c.own = string(r.sized())
	if extended {
		r.sized()
	}
	if r.uint8() != 0x0c {
		return c, false
	}
	r.uint16() // character set
	r.uint32() // length
	c.kind = r.uint8()
	c.unsigned = r.uint16()&0x20 != 0
	r.uint8()
	return c, !r.bad && len(r.b) >= 2
}

// anyColumn is readColumn where it is not known whether it is extended.
func anyColumn(b []byte) (column, bool) {
	c, ok := readColumn(b, false)
	if !ok {
		c, ok = readColumn(b, true)
	}
	return c, ok
}

// values reads binary values of parameters.
type values struct {
	r     *reader
	named bool // each type has a name after it
	nulls []byte
	types []valueType
	names []string
}

// readTypes reads the types of n values. It reports whether they are there.
func (v *values) readTypes(n int) bool {
	if 2*n > len(v.r.b) {
		v.r.bad = true
		return false
	}
	v.types = make([]valueType, n)
	if v.named {
		v.names = make([]string, n)
	}
	for i := range n {
		t := v.r.uint16()
		v.types[i] = valueType{kind: byte(t), unsigned: t&0x8000 != 0}
		if v.named {
			v.names[i] = string(v.r.sized())
		}
	}
	return !v.r.bad
}

func (v *values) name(i int) string {
	if i < len(v.names) {
		return v.names[i]
	}
	return ""
}

// next reads the value of an index, as text.
func (v *values) next(i int) string {
	if i/8 < len(v.nulls) && v.nulls[i/8]>>(i%8)&1 == 1 || v.types[i].kind == typeNull {
		return "NULL"
	}
	b, size := appendBinary(nil, v.types[i], v.r)
	if !utf8.Valid(b) && int64(len(b)) == size {
		return sqltext.Hex(b, size)
	}
	return sqltext.Value(b, size)
}

// appendBinary appends a value of the binary protocol as text, and returns its
// size: more than what is appended where not all of it is there.
func appendBinary(dst []byte, t valueType, r *reader) ([]byte, int64) {
	start := len(dst)
	switch t.kind {
	case typeTiny:
		dst = appendInt(dst, t, uint64(r.uint8()), 8)
	case typeShort, typeYear:
		dst = appendInt(dst, t, uint64(r.uint16()), 16)
	case typeLong, typeInt24:
		dst = appendInt(dst, t, uint64(r.uint32()), 32)
	case typeLongLong:
		dst = appendInt(dst, t, r.uint64(), 64)
	case typeFloat:
		dst = strconv.AppendFloat(dst, float64(math.Float32frombits(r.uint32())), 'g', -1, 32)
	case typeDouble:
		dst = strconv.AppendFloat(dst, math.Float64frombits(r.uint64()), 'g', -1, 64)
	case typeDate, typeDatetime, typeTimestamp:
		dst = appendDate(dst, t, r.take(int(r.uint8())))
	case typeTime:
		dst = appendTime(dst, r.take(int(r.uint8())))
	case typeNull:
		dst = append(dst, "NULL"...)
	default:
		v, size, _ := r.value()
		return append(dst, v...), size
	}
	return dst, int64(len(dst) - start)
}

func appendInt(dst []byte, t valueType, n uint64, bits int) []byte {
	if t.unsigned {
		return strconv.AppendUint(dst, n, 10)
	}
	return strconv.AppendInt(dst, int64(n<<(64-bits))>>(64-bits), 10)
}

func appendDate(dst []byte, t valueType, b []byte) []byte {
	r := reader{b: b}
	dst = fmt.Appendf(dst, "%04d-%02d-%02d", r.uint16(), r.uint8(), r.uint8())
	if t.kind == typeDate {
		return dst
	}
	dst = fmt.Appendf(dst, " %02d:%02d:%02d", r.uint8(), r.uint8(), r.uint8())
	return appendMicros(dst, &r)
}

func appendTime(dst []byte, b []byte) []byte {
	r := reader{b: b}
	if r.uint8() == 1 {
		dst = append(dst, '-')
	}
	days := r.uint32()
	dst = fmt.Appendf(dst, "%02d:%02d:%02d", uint64(days)*24+uint64(r.uint8()), r.uint8(), r.uint8())
	return appendMicros(dst, &r)
}

func appendMicros(dst []byte, r *reader) []byte {
	if len(r.b) >= 4 {
		dst = fmt.Appendf(dst, ".%06d", r.uint32())
	}
	return dst
}

// row writes a row. binary is how its values are written: as in the text
// protocol, or as in that of prepared statements.
func row(to *sqltext.Rows, p packet, columns []column, binary bool) {
	to.Row(p.payload)
	if to.Full() {
		to.EndRow(false)
		return
	}
	r := reader{b: p.body}
	if !binary {
		for len(r.b) > 0 {
			v, size, null := r.value()
			if null {
				to.Null()
				continue
			}
			write(to, v)
			if int64(len(v)) < size {
				break
			}
		}
		to.EndRow(p.whole() && !r.bad)
		return
	}
	r.uint8()
	nulls := r.take((len(columns) + 9) / 8)
	var scratch []byte
	for i, c := range columns {
		if r.bad {
			break
		}
		if nulls[(i+2)/8]>>((i+2)%8)&1 == 1 {
			to.Null()
			continue
		}
		scratch, _ = appendBinary(scratch[:0], c.valueType, &r)
		write(to, scratch)
	}
	to.EndRow(p.whole() && !r.bad && len(r.b) == 0)
}

// write writes a value: in hexadecimal where it is not text.
func write(to *sqltext.Rows, v []byte) {
	if !utf8.Valid(v) {
		v = hex.AppendEncode([]byte(`\x`), v)
	}
	to.Value(v)
}
