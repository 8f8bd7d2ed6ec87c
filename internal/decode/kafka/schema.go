package kafka

import (
	"fmt"
	"strconv"
	"strings"

	"lodge/internal/decode"
)

// kind is the type of a field, and what it means where this matters.
type kind uint8

const (
	boolean kind = iota
	integer8
	integer16
	integer32
	integer64
	text        // a string, which may be null
	blob        // bytes, of which the size is shown
	secretBytes // bytes that are a secret
	array       // of structures
	optional    // a structure, or null
	structure   // a structure that is always there
	list8       // an array of 8-bit integers
	list32
	list64
	uuid
	listOf  // an array of strings
	records // batches of records

	topic     // the name of a topic
	topicID   // its identifier
	partition // its number
	group     // the name of a group
	subject   // another string that the request is about
	subjects  // an array of those
	apiKey
	errorCode
	errorText
	configName  // the name of a setting
	configValue // its value, a secret where its name is that of one
)

// field is a field of a message, in the versions that have it.
type field struct {
	name string // "" where it is not shown
	kind kind
	from int16 // the first version that has it
	till int16 // the first one that has it no more; 0 where all have it
	// quiet is set where 0, -1 and false say nothing.
	quiet bool
	of    []field // of a structure
}

// walker reads a body as its fields say.
type walker struct {
	r        *decode.Reader
	version  int16
	flexible bool
	out      *summary
}

func (w *walker) walk(fields []field) {
	for i := range fields {
		f := &fields[i]
		if w.version < f.from || f.till > 0 && w.version >= f.till {
			continue
		}
		if w.r.Short() {
			return
		}
		w.field(f)
	}
	w.tags()
}

// tags skips the tagged fields at the end of a structure.
func (w *walker) tags() {
	if !w.flexible {
		return
	}
	for n := w.r.Uvarint(5); n > 0 && !w.r.Short(); n-- {
		w.r.Uvarint(5)
		w.r.Bytes(int(w.r.Uvarint(5)))
	}
}

func (w *walker) field(f *field) {
	switch f.kind {
	case boolean:
		w.show(f, strconv.FormatBool(w.r.Uint8() != 0))
	case integer8:
		w.show(f, strconv.Itoa(int(int8(w.r.Uint8()))))
	case integer16:
		w.show(f, strconv.Itoa(int(int16(w.r.Uint16()))))
	case integer32:
		w.show(f, strconv.Itoa(int(int32(w.r.Uint32()))))
	case integer64:
		w.show(f, strconv.FormatInt(int64(w.r.Uint64()), 10))
	case text, topic, group, subject, errorText, configName, configValue:
		w.show(f, string(w.r.Bytes(w.size(2))))
	case topicID:
		if id := w.r.Bytes(16); id != nil {
			w.out.topicID([16]byte(id))
		}
	case blob:
		if n := w.size(4); len(w.r.Bytes(n)) > 0 {
			w.show(f, strconv.Itoa(n))
		}
	case secretBytes:
		w.show(f, w.out.session.conn.Secret(string(w.r.Bytes(w.size(4)))))
	case records:
		b := w.r.Bytes(min(w.size(4), w.r.Len()))
		if !w.r.Short() {
			w.out.records(b)
		}
	case partition:
		w.out.partition(int32(w.r.Uint32()))
	case apiKey:
		w.out.label(apiName(int16(w.r.Uint16())))
	case errorCode:
		w.out.errorCode(int16(w.r.Uint16()))
	case array:
		w.each(func() {
			w.out.begin()
			w.walk(f.of)
			w.out.end(f.name)
		})
	case optional:
		if int8(w.r.Uint8()) >= 0 {
			w.out.begin()
			w.walk(f.of)
			w.out.end(f.name)
		}
	case structure:
		w.out.begin()
		w.walk(f.of)
		w.out.end(f.name)
	case list8:
		w.list(f, func() int64 { return int64(int8(w.r.Uint8())) })
	case list32:
		w.list(f, func() int64 { return int64(int32(w.r.Uint32())) })
	case list64:
		w.list(f, func() int64 { return int64(w.r.Uint64()) })
	case uuid:
		if id := w.r.Bytes(16); id != nil {
			w.show(f, uuidText([16]byte(id)))
		}
	case listOf:
		var all []string
		w.each(func() { all = append(all, string(w.r.Bytes(w.size(2)))) })
		if len(all) > 0 {
			w.show(f, strings.Join(all, ", "))
		}
	case subjects:
		w.each(func() { w.show(f, string(w.r.Bytes(w.size(2)))) })
	}
}

// list reads an array of numbers.
func (w *walker) list(f *field, next func() int64) {
	var all []string
	w.each(func() { all = append(all, strconv.FormatInt(next(), 10)) })
	if len(all) > 0 {
		w.show(f, "["+strings.Join(all, " ")+"]")
	}
}

// uuidText returns an identifier as it is written.
func uuidText(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func (w *walker) show(f *field, value string) {
	if !w.r.Short() {
		w.out.value(f, value)
	}
}

// size reads the length of a string or of bytes: of so many bytes, or compact.
// Null has no length.
func (w *walker) size(bytes int) int {
	n := 0
	switch {
	case w.flexible:
		n = int(w.r.Uvarint(5)) - 1
	case bytes == 2:
		n = int(int16(w.r.Uint16()))
	default:
		n = int(int32(w.r.Uint32()))
	}
	return max(n, 0)
}

// each calls a function for each element of an array.
func (w *walker) each(element func()) {
	for n := w.size(4); n > 0 && w.r.Len() > 0; n-- {
		element()
		if n > 1 && w.r.Len() == 0 {
			w.r.Fail()
		}
	}
}

func apiName(key int16) string {
	if a := find(key); a != nil {
		return a.name
	}
	return fmt.Sprintf("api %d", key)
}
