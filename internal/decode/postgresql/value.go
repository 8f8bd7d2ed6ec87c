package postgresql

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The object identifiers of the types that are read in the binary format:
// https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
const (
	typeBool        = 16
	typeBytea       = 17
	typeInt8        = 20
	typeInt2        = 21
	typeInt4        = 23
	typeJSON        = 114
	typeCidr        = 650
	typeFloat4      = 700
	typeFloat8      = 701
	typeInet        = 869
	typeDate        = 1082
	typeTime        = 1083
	typeTimestamp   = 1114
	typeTimestamptz = 1184
	typeInterval    = 1186
	typeNumeric     = 1700
	typeUUID        = 2950
	typeJSONB       = 3802
	typeJSONPath    = 4072
)

// appendBinary appends a value of the binary format as the text format has it;
// in hexadecimal where its type is not known or does not fit.
func appendBinary(dst []byte, kind uint32, v []byte) []byte {
	start := len(dst)
	if dst, ok := appendKnown(dst, kind, v, 0); ok {
		return dst
	}
	dst = append(dst[:start], `\x`...)
	return hex.AppendEncode(dst, v)
}

func appendKnown(dst []byte, kind uint32, v []byte, depth int) ([]byte, bool) {
	switch kind {
	case typeBool:
		if len(v) == 1 {
			return append(dst, "ft"[v[0]&1]), true
		}
	case typeBytea:
		return hex.AppendEncode(append(dst, `\x`...), v), true
	case typeInt2, typeInt4, typeInt8, 24, 26, 28, 29, 2202, 2205, 2206, 4089, 5069: // oid, xid, cid, reg…, xid8
		return appendInt(dst, kind, v)
	case 18, 19, 25, typeJSON, 142, 705, 1042, 1043, 2275: // char, name, text, xml, unknown, bpchar, varchar, cstring
		return append(dst, v...), true
	case typeFloat4:
		if len(v) == 4 {
			return strconv.AppendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(v))), 'g', -1, 32), true
		}
	case typeFloat8:
		if len(v) == 8 {
			return strconv.AppendFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(v)), 'g', -1, 64), true
		}
	case typeUUID:
		if len(v) == 16 {
			h := hex.EncodeToString(v)
			return append(dst, h[:8]+"-"+h[8:12]+"-"+h[12:16]+"-"+h[16:20]+"-"+h[20:]...), true
		}
	case typeJSONB, typeJSONPath:
		if len(v) > 0 && v[0] == 1 {
			return append(dst, v[1:]...), true
		}
	case typeNumeric:
		return appendNumeric(dst, v)
	case typeInet, typeCidr:
		return appendInet(dst, kind, v)
	case typeDate, typeTime, typeTimestamp, typeTimestamptz, typeInterval:
		return appendTime(dst, kind, v)
	}
	if isArray(kind) && depth == 0 {
		return appendArray(dst, v)
	}
	return dst, false
}

func appendInt(dst []byte, kind uint32, v []byte) ([]byte, bool) {
	var n int64
	switch len(v) {
	case 2:
		n = int64(int16(binary.BigEndian.Uint16(v)))
	case 4:
		u := binary.BigEndian.Uint32(v)
		n = int64(int32(u))
		if kind != typeInt4 {
			n = int64(u) // oid and its kin have no sign
		}
	case 8:
		n = int64(binary.BigEndian.Uint64(v))
	default:
		return dst, false
	}
	return strconv.AppendInt(dst, n, 10), true
}

// appendNumeric reads digits to the base of 10000.
func appendNumeric(dst []byte, v []byte) ([]byte, bool) {
	r := reader{b: v}
	digits, weight, sign, scale := r.int16(), int(int16(r.int16())), r.int16(), r.int16()
	switch {
	case r.bad || len(r.b) != 2*digits:
		return dst, false
	case sign == 0xc000:
		return append(dst, "NaN"...), true
	case sign == 0xd000:
		return append(dst, "Infinity"...), true
	case sign == 0xf000:
		return append(dst, "-Infinity"...), true
	case weight > 1<<12 || scale > 1<<14:
		return dst, false // longer than is worth to be read
	case sign == 0x4000:
		dst = append(dst, '-')
	}
	digit := func(i int) int {
		if i < 0 || i >= digits {
			return 0
		}
		return int(binary.BigEndian.Uint16(r.b[2*i:]))
	}
	dst = strconv.AppendInt(dst, int64(digit(0)*boolInt(weight >= 0)), 10)
	for i := 1; i <= weight; i++ {
		dst = appendPadded(dst, digit(i), 4)
	}
	if scale == 0 {
		return dst, true
	}
	dst = append(dst, '.')
	start := len(dst)
	for i := weight + 1; len(dst)-start < scale; i++ {
		if i < weight+1 {
			break
		}
		dst = appendPadded(dst, digit(i), 4)
	}
	return dst[:start+scale], true
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func appendPadded(dst []byte, n, width int) []byte {
	s := strconv.Itoa(n)
	if len(s) < width {
		dst = append(dst, strings.Repeat("0", width-len(s))...)
	}
	return append(dst, s...)
}

func appendInet(dst []byte, kind uint32, v []byte) ([]byte, bool) {
	if len(v) < 4 || len(v) != 4+int(v[3]) {
		return dst, false
	}
	addr, ok := netip.AddrFromSlice(v[4:])
	if !ok {
		return dst, false
	}
	dst = addr.AppendTo(dst)
	if kind == typeCidr || int(v[1]) != addr.BitLen() {
		dst = append(dst, '/')
		dst = strconv.AppendInt(dst, int64(v[1]), 10)
	}
	return dst, true
}

// epoch2000 is what dates and times are counted from.
func epoch2000() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func appendTime(dst []byte, kind uint32, v []byte) ([]byte, bool) {
	switch {
	case kind == typeDate && len(v) == 4:
		switch days := int64(int32(binary.BigEndian.Uint32(v))); {
		case days == math.MaxInt32:
			return append(dst, "infinity"...), true
		case days == math.MinInt32:
			return append(dst, "-infinity"...), true
		case days > 1e7 || days < -1e7:
			return dst, false
		default:
			return appendDate(dst, days*86400*1e6, "2006-01-02")
		}
	case kind == typeInterval && len(v) == 16:
		return appendInterval(dst, v), true
	case len(v) != 8:
		return dst, false
	}
	n := int64(binary.BigEndian.Uint64(v))
	switch kind {
	case typeTime:
		return time.UnixMicro(n).UTC().AppendFormat(dst, "15:04:05.999999"), true
	case typeTimestamp:
		return appendDate(dst, n, "2006-01-02 15:04:05.999999")
	case typeTimestamptz:
		return appendDate(dst, n, "2006-01-02 15:04:05.999999+00")
	}
	return dst, false
}

func appendDate(dst []byte, micros int64, layout string) ([]byte, bool) {
	switch {
	case micros == math.MaxInt64:
		return append(dst, "infinity"...), true
	case micros == math.MinInt64:
		return append(dst, "-infinity"...), true
	case micros > 9e18-946684800e6 || micros < -8e18:
		return dst, false
	}
	t := time.UnixMicro(epoch2000().UnixMicro() + micros).UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return dst, false
	}
	return t.AppendFormat(dst, layout), true
}

func appendInterval(dst []byte, v []byte) []byte {
	micros := int64(binary.BigEndian.Uint64(v))
	days, months := int32(binary.BigEndian.Uint32(v[8:])), int32(binary.BigEndian.Uint32(v[12:]))
	start := len(dst)
	add := func(n int32, unit string) {
		if n != 0 {
			if len(dst) > start {
				dst = append(dst, ' ')
			}
			dst = strconv.AppendInt(dst, int64(n), 10)
			dst = append(dst, unit...)
		}
	}
	add(months, " mons")
	add(days, " days")
	if micros != 0 || len(dst) == start {
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		dst = append(dst, time.Duration(micros*1000).String()...)
	}
	return dst
}

// isArray reports whether a type is an array of one of the types that are read.
func isArray(kind uint32) bool {
	switch kind {
	case 199, 651, 1000, 1001, 1002, 1003, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1028, 1041, 1115, 1182,
		1183, 1185, 1187, 1231, 2951, 3807:
		return true
	}
	return false
}

// appendArray reads an array, which has the type of its elements in it.
func appendArray(dst []byte, v []byte) ([]byte, bool) {
	r := reader{b: v}
	dimensions := int(r.int32())
	r.int32() // whether there are NULLs
	kind := uint32(r.int32())
	if r.bad || dimensions < 0 || dimensions > 6 {
		return dst, false
	}
	if dimensions == 0 {
		return append(dst, "{}"...), true
	}
	sizes, total := make([]int, dimensions), 1
	for i := range sizes {
		sizes[i] = int(r.int32())
		r.int32() // the lower bound
		if sizes[i] <= 0 || sizes[i] > len(v) {
			return dst, false
		}
		if total *= sizes[i]; total > len(v) {
			return dst, false
		}
	}
	for n := 0; n < total; n++ {
		if n > 0 {
			dst = append(dst, ',')
		}
		for i, span := dimensions-1, 1; i >= 0; i-- {
			if span *= sizes[i]; n%span == 0 {
				dst = append(dst, '{')
			}
		}
		size := r.int32()
		if size < 0 {
			if r.bad || size != -1 {
				return dst, false
			}
			dst = append(dst, "NULL"...)
		} else {
			element := r.take(int(size))
			if r.bad {
				return dst, false
			}
			start := len(dst)
			ok := false
			if dst, ok = appendKnown(dst, kind, element, 1); !ok {
				return dst, false
			}
			dst = quoteElement(dst, start)
		}
		for i, span := dimensions-1, 1; i >= 0; i-- {
			if span *= sizes[i]; (n+1)%span == 0 {
				dst = append(dst, '}')
			}
		}
	}
	return dst, r.end()
}

// quoteElement quotes the element that begins at start, where it must be.
func quoteElement(dst []byte, start int) []byte {
	element := string(dst[start:])
	if element != "" && !strings.EqualFold(element, "null") && !strings.ContainsAny(element, "{},\"\\ \t\n\r") {
		return dst
	}
	dst = append(dst[:start], '"')
	for i := 0; i < len(element); i++ {
		if c := element[i]; c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, element[i])
	}
	return append(dst, '"')
}
