package mongodb

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
)

// d is a document: names and values in turns. a is an array.
type (
	d   []any
	a   []any
	oid string
	raw struct {
		typ byte
		b   string
	}
)

// bson returns a document's bytes.
func bson(doc d) []byte {
	le := binary.LittleEndian
	b := []byte{0, 0, 0, 0}
	for i := 0; i < len(doc); i += 2 {
		name := doc[i].(string) + "\x00"
		switch v := doc[i+1].(type) {
		case int:
			b = le.AppendUint32(append(append(b, typeInt32), name...), uint32(v))
		case int64:
			b = le.AppendUint64(append(append(b, typeInt64), name...), uint64(v))
		case float64:
			b = le.AppendUint64(append(append(b, typeDouble), name...), math.Float64bits(v))
		case string:
			b = le.AppendUint32(append(append(b, typeString), name...), uint32(len(v)+1))
			b = append(append(b, v...), 0)
		case []byte:
			b = le.AppendUint32(append(append(b, typeBinary), name...), uint32(len(v)))
			b = append(append(b, 0), v...)
		case bool:
			n := byte(0)
			if v {
				n = 1
			}
			b = append(append(append(b, typeBool), name...), n)
		case nil:
			b = append(append(b, typeNull), name...)
		case time.Time:
			b = le.AppendUint64(append(append(b, typeDate), name...), uint64(v.UnixMilli()))
		case oid:
			h, _ := hex.DecodeString(string(v))
			b = append(append(append(b, typeObjectID), name...), h...)
		case raw:
			b = append(append(append(b, v.typ), name...), v.b...)
		case d:
			b = append(append(append(b, typeDocument), name...), bson(v)...)
		case a:
			var list d
			for j, x := range v {
				list = append(list, strconv.Itoa(j), x)
			}
			b = append(append(append(b, typeArray), name...), bson(list)...)
		}
	}
	b = append(b, 0)
	le.PutUint32(b, uint32(len(b)))
	return b
}

func limits() decode.Options { return decode.Options{Limits: decode.DefaultLimits()} }

// all has an element of every type.
var all = d{
	"int", 1, "long", int64(-5), "double", 1.5, "whole", 2.0, "text", "a\"b\n", "doc", d{"x", a{1, d{}, a{}}}, "bin", []byte{1, 2, 3, 4},
	"uuid", raw{typeBinary, "\x10\x00\x00\x00\x04\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"},
	"undef", raw{typeUndefined, ""}, "id", oid("0123456789abcdef01234567"), "yes", true, "no", false,
	"date", time.Date(2024, 1, 2, 3, 4, 5, 6e6, time.UTC), "old", raw{typeDate, "\xff\xff\xff\xff\xff\xff\xff\xff"}, "null", nil,
	"re", raw{typeRegex, "^a\\.b\x00im\x00"}, "ptr", raw{typePointer, "\x02\x00\x00\x00c\x00abcdefghijkl"}, "code", raw{typeCode, "\x03\x00\x00\x00f;\x00"},
	"sym", raw{typeSymbol, "\x02\x00\x00\x00s\x00"}, "scoped", raw{typeScoped, "\x0f\x00\x00\x00\x02\x00\x00\x00f\x00\x05\x00\x00\x00\x00"},
	"ts", raw{typeTimestamp, "\x02\x00\x00\x00\x01\x00\x00\x00"},
	"dec", raw{typeDecimal, "\x0f\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x3e\x30"}, "min", raw{typeMin, ""}, "max", raw{typeMax, ""},
	"nan", math.NaN(), "inf", math.Inf(-1),
}

const allJSON = `{"int":1,"long":-5,"double":1.5,"whole":2.0,"text":"a\"b\n","doc":{"x":[1,{},[]]},"bin":{"$binary":{"base64":"AQIDBA==","subType":"00"}},` +
	`"uuid":{"$uuid":"00112233-4455-6677-8899-aabbccddeeff"},"undef":{"$undefined":true},"id":{"$oid":"0123456789abcdef01234567"},"yes":true,"no":false,` +
	`"date":{"$date":"2024-01-02T03:04:05.006Z"},"old":{"$date":{"$numberLong":"-1"}},"null":null,` +
	`"re":{"$regularExpression":{"pattern":"^a\\.b","options":"im"}},"ptr":{"$dbPointer":{"$ref":"c"}},"code":{"$code":"f;"},"sym":{"$symbol":"s"},"scoped":{"$code":…},` +
	`"ts":{"$timestamp":{"t":1,"i":2}},"dec":{"$numberDecimal":"1.5"},"min":{"$minKey":1},"max":{"$maxKey":1},"nan":{"$numberDouble":"NaN"},"inf":{"$numberDouble":"-Infinity"}}`

func TestWalker(t *testing.T) {
	b := bson(all)
	for _, size := range []int{len(b), 1, 2, 7} {
		v := newView(limits(), "", true)
		w := newWalker(v)
		for rest := append(b[:len(b):len(b)], "xyz"...); len(rest) > 0; {
			n := min(size, len(rest))
			k := w.write(rest[:n])
			if w.done() || w.bad {
				if rest = rest[k:]; string(rest) != "xyz" {
					t.Errorf("pieces of %d: %q is left", size, rest)
				}
				break
			}
			if k != n {
				t.Fatalf("pieces of %d: %d of %d bytes were read", size, k, n)
			}
			rest = rest[n:]
		}
		if got := string(v.body.Bytes()); got != allJSON || w.bad || !w.done() {
			t.Errorf("pieces of %d: bad %v\n%s\nwant\n%s", size, w.bad, got, allJSON)
		}
	}
}

func TestWalkerBad(t *testing.T) {
	nested := d{}
	for range maxDepth {
		nested = d{"x", nested}
	}
	for name, b := range map[string][]byte{
		"short":           {4, 0, 0, 0},
		"negative":        {0xff, 0xff, 0xff, 0xff},
		"type":            {9, 0, 0, 0, 0x20, 'a', 0, 0, 0},
		"string":          {16, 0, 0, 0, 2, 'a', 0, 0xff, 0, 0, 0, 'x', 0, 0, 0, 0},
		"string without":  {14, 0, 0, 0, 2, 'a', 0, 0, 0, 0, 0, 0, 0, 0},
		"past the end":    {9, 0, 0, 0, 1, 'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"early end":       {9, 0, 0, 0, 0, 0, 0, 0, 0},
		"inner too long":  {13, 0, 0, 0, 3, 'a', 0, 20, 0, 0, 0, 0, 0},
		"name":            append([]byte{0, 0, 1, 0, 1}, strings.Repeat("n", maxName+1)...),
		"too deep":        bson(nested),
		"negative binary": {20, 0, 0, 0, 5, 'a', 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		for _, size := range []int{len(b), 1} {
			w := newWalker(newView(limits(), "", true))
			for rest := b; len(rest) > 0 && !w.bad; {
				n := min(size, len(rest))
				w.write(rest[:n])
				rest = rest[n:]
			}
			if !w.bad {
				t.Errorf("%s, pieces of %d: not bad", name, size)
			}
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		high, low uint64
		want      string
	}{
		{0x3040000000000000, 0, "0"},
		{0x3040000000000000, 1, "1"},
		{0xb040000000000000, 1, "-1"},
		{0x303e000000000000, 15, "1.5"},
		{0x3034000000000000, 1234, "0.001234"},
		{0x3040ffffffffffff, 0xffffffffffffffff, "5192296858534827628530496329220095"},
		{0x3042000000000000, 12, "1.2E+2"},
		{0x0000000000000000, 1, "1E-6176"},
		{0x7800000000000000, 0, "Infinity"},
		{0xf800000000000000, 0, "-Infinity"},
		{0x7c00000000000000, 0, "NaN"},
		{0x6c10000000000000, 0, "0"},
	} {
		if got := decimal(c.high, c.low); got != c.want {
			t.Errorf("decimal(%x, %x) = %s, want %s", c.high, c.low, got, c.want)
		}
	}
}
