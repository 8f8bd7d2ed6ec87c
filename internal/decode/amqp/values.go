package amqp

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"lodge/internal/decode"
)

// arguments reads the arguments of a method. Reserved ones are left out.
func arguments(r *decode.Reader, args []arg) []decode.Field {
	var fields []decode.Field
	var bits byte
	left := 0 // bits of the byte that are not read
	for _, a := range args {
		if a.typ != bit {
			left = 0
		}
		var v string
		switch a.typ {
		case octet:
			v = strconv.Itoa(int(r.Uint8()))
		case short:
			v = strconv.Itoa(int(r.Uint16()))
		case long:
			v = strconv.FormatUint(uint64(r.Uint32()), 10)
		case longlong:
			v = strconv.FormatUint(r.Uint64(), 10)
		case shortstr:
			v = shortString(r)
		case longstr:
			v = longString(r)
		case bit:
			if left == 0 {
				bits, left = r.Uint8(), 8
			}
			v = strconv.FormatBool(bits&1 != 0)
			bits >>= 1
			left--
		case table:
			t := fieldTable(r)
			for _, f := range t {
				fields = append(fields, decode.Field{Name: a.name + "." + f.Name, Value: f.Value})
			}
			continue
		}
		if a.name != "" {
			fields = append(fields, decode.Field{Name: a.name, Value: v})
		}
	}
	return fields
}

func shortString(r *decode.Reader) string { return string(r.Bytes(int(r.Uint8()))) }

func longString(r *decode.Reader) string {
	n := r.Uint32()
	if n > math.MaxInt32 {
		r.Fail()
		return ""
	}
	return string(r.Bytes(int(n)))
}

// maxDepth bounds how deep tables lie in each other, maxFields how many of their
// fields are kept.
const (
	maxDepth  = 16
	maxFields = 512
)

// fieldTable reads a table with its length. Tables within it are put flat, with
// names of two parts.
func fieldTable(r *decode.Reader) []decode.Field {
	sub := decode.NewReader([]byte(longString(r)))
	fields := pairs(sub, nil, "", 0)
	if sub.Short() {
		r.Fail()
	}
	return fields
}

func pairs(r *decode.Reader, fields []decode.Field, prefix string, depth int) []decode.Field {
	for r.Len() > 0 {
		if len(fields) >= maxFields {
			r.Rest()
			return append(fields, decode.Field{Name: prefix + "…", Value: "more fields"})
		}
		name := prefix + shortString(r)
		typ := r.Uint8()
		if typ == 'F' && depth < maxDepth && !r.Short() {
			sub := decode.NewReader([]byte(longString(r)))
			fields = pairs(sub, fields, name+".", depth+1)
			if sub.Short() {
				r.Fail()
			}
			continue
		}
		v := value(r, typ, depth)
		if r.Short() {
			return fields
		}
		fields = append(fields, decode.Field{Name: name, Value: v})
	}
	return fields
}

// value reads a field value of a type.
func value(r *decode.Reader, typ byte, depth int) string {
	switch typ {
	case 't':
		return strconv.FormatBool(r.Uint8() != 0)
	case 'b':
		return strconv.Itoa(int(int8(r.Uint8())))
	case 'B':
		return strconv.Itoa(int(r.Uint8()))
	case 's', 'U':
		return strconv.Itoa(int(int16(r.Uint16())))
	case 'u':
		return strconv.Itoa(int(r.Uint16()))
	case 'I':
		return strconv.Itoa(int(int32(r.Uint32())))
	case 'i':
		return strconv.FormatUint(uint64(r.Uint32()), 10)
	case 'l', 'L':
		return strconv.FormatInt(int64(r.Uint64()), 10)
	case 'T':
		return strconv.FormatUint(r.Uint64(), 10)
	case 'f':
		return strconv.FormatFloat(float64(math.Float32frombits(r.Uint32())), 'g', -1, 32)
	case 'd':
		return strconv.FormatFloat(math.Float64frombits(r.Uint64()), 'g', -1, 64)
	case 'D':
		scale := r.Uint8()
		return fmt.Sprintf("%de-%d", int32(r.Uint32()), scale)
	case 'S':
		return longString(r)
	case 'x':
		return fmt.Sprintf("%x", longString(r))
	case 'V':
		return ""
	case 'A':
		if depth >= maxDepth {
			break
		}
		sub := decode.NewReader([]byte(longString(r)))
		var all []string
		for sub.Len() > 0 {
			all = append(all, value(sub, sub.Uint8(), depth+1))
		}
		if sub.Short() {
			r.Fail()
		}
		return "[" + strings.Join(all, ", ") + "]"
	case 'F':
		if depth >= maxDepth {
			break
		}
		sub := decode.NewReader([]byte(longString(r)))
		var all []string
		for _, f := range pairs(sub, nil, "", depth+1) {
			all = append(all, f.Name+"="+f.Value)
		}
		if sub.Short() {
			r.Fail()
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	r.Fail()
	return ""
}

// properties of the class basic, from the highest bit of the flags on.
var basicProperties = [...]arg{
	{"content_type", shortstr}, {"content_encoding", shortstr}, {"headers", table}, {"delivery_mode", octet},
	{"priority", octet}, {"correlation_id", shortstr}, {"reply_to", shortstr}, {"expiration", shortstr},
	{"message_id", shortstr}, {"timestamp", longlong}, {"type", shortstr}, {"user_id", shortstr},
	{"app_id", shortstr}, {"cluster_id", shortstr},
}

// contentHeader reads a header frame: the size of the body and the properties.
func contentHeader(r *decode.Reader) (size uint64, fields []decode.Field) {
	r.Uint16() // class
	r.Uint16() // weight
	size = r.Uint64()
	flags := r.Uint16()
	var present []arg
	for i, p := range basicProperties {
		if flags&(0x8000>>i) != 0 {
			present = append(present, p)
		}
	}
	return size, arguments(r, present)
}

func get(fields []decode.Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
