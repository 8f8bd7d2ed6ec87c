package mongodb

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"lodge/internal/decode"
)

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func appendJSON(dst, b []byte) []byte {
	dst, _ = decode.AppendJSON(dst, b, true)
	return dst
}

// Bounds of what is kept of a message beside its body.
const (
	factBytes  = 512 // of a value that is looked at
	shownBytes = 512 // of a filter
)

// view is a [sink] that writes the documents of a message as relaxed Extended
// JSON, and keeps what describes it.
type view struct {
	body    *decode.Body
	secrets bool
	reply   bool
	command string // the first element's name; of an answer, that of its request

	levels []level
	names  [3]string // of the elements that lead here, by depth
	facts  map[string]string
	counts map[string]int64
	filter capture
	first  bool // the first element is to come

	typ     byte
	subtype byte
	hidden  int // depth of the element that is masked, 0: none
	tail    []byte
	shown   []byte // the begin of a string
	count   int64  // documents that were begun
	whole   bool   // a document is a filter, and no command
}

type level struct {
	array bool
	n     int
	// plain reports that the array has had no element but literals: its template
	// has one.
	plain bool
}

// capture is the text of one element and its template.
type capture struct {
	depth int // of the element, 0: it is not in one
	text  []byte
	shape []byte
	cut   bool
	done  bool
}

func newView(o decode.Options, command string, reply bool) *view {
	return &view{
		body: decode.NewBody(o.Limits.Body), secrets: o.Secrets, reply: reply, command: command, first: !reply,
		facts: map[string]string{}, counts: map[string]int64{},
	}
}

// punct writes what is no value.
func (v *view) punct(s string) {
	v.literal(s)
	v.template(s)
}

// literal writes a part of a value.
func (v *view) literal(s string) {
	if v.hidden > 0 {
		return
	}
	v.body.Write([]byte(s))
	if c := &v.filter; c.depth > 0 && !c.cut {
		if len(c.text)+len(s) > shownBytes {
			c.cut = true
			c.text = append(c.text, "…"...)
			return
		}
		c.text = append(c.text, s...)
	}
}

func (v *view) template(s string) {
	if c := &v.filter; c.depth > 0 && v.hidden == 0 && len(c.shape) < shownBytes {
		c.shape = append(c.shape, s...)
	}
}

// element writes what stands before a value, and its place in the template.
func (v *view) element(isLiteral bool) {
	if len(v.levels) == 0 {
		return
	}
	l := &v.levels[len(v.levels)-1]
	switch {
	case !l.array:
	case isLiteral && l.plain:
		return // one literal stands for all
	case l.n > 1:
		v.template(",")
	}
	l.plain = isLiteral && l.array
	if isLiteral {
		v.template("?")
	}
}

func (v *view) open(array bool) {
	if len(v.levels) == 0 {
		if v.count++; v.count > 1 {
			v.literal("\n")
		}
		if v.whole && !v.filter.done {
			v.filter.depth = 1
		}
	} else {
		v.element(false)
	}
	v.levels = append(v.levels, level{array: array})
	v.punct(bracket(array, "{", "["))
}

func bracket(array bool, document, list string) string {
	if array {
		return list
	}
	return document
}

func (v *view) close() {
	l := v.levels[len(v.levels)-1]
	v.punct(bracket(l.array, "}", "]"))
	v.levels = v.levels[:len(v.levels)-1]
	if l.array {
		v.noteCount(int64(l.n))
	}
	v.ended()
}

// depth is how many names lead to the element that is read.
func (v *view) depth() int { return len(v.levels) }

func (v *view) name(name []byte) {
	l := &v.levels[len(v.levels)-1]
	d := v.depth()
	if d <= len(v.names) && (d < 2 || interesting(v.names[0])) {
		v.names[d-1] = string(name)
	}
	if v.first && d == 1 {
		v.first = false
		v.command = decode.Readable(name, 64)
	}
	if l.n++; l.n > 1 {
		v.literal(",")
		if !l.array {
			v.template(",")
		}
	}
	if !l.array {
		key := string(appendJSON(nil, name))
		v.punct(`"` + key + `":`)
	}
	if v.hidden == 0 && !v.secrets && v.secret(string(name), d) {
		v.literal(`"` + decode.Masked + `"`)
		v.hidden = d
	}
	if v.filter.depth == 0 && !v.filter.done && v.isFilter(d) {
		v.filter.depth = d + 1
	}
}

// ended notes that the element that was read is complete.
func (v *view) ended() {
	d := v.depth()
	if v.hidden == d {
		v.hidden = 0
	}
	if c := &v.filter; c.depth == d+1 {
		c.depth, c.done = 0, true
	}
}

func (v *view) value(json string) {
	v.element(true)
	v.literal(json)
	v.note(json)
	v.ended()
}

func (v *view) begin(typ, subtype byte) {
	v.typ, v.subtype, v.tail, v.shown = typ, subtype, v.tail[:0], v.shown[:0]
	v.element(true)
	v.literal(map[byte]string{
		typeBinary: `{"$binary":{"base64":"`, typeUUID: `{"$uuid":"`, typeCode: `{"$code":"`, typeSymbol: `{"$symbol":"`,
		typePointer: `{"$dbPointer":{"$ref":"`,
	}[typ])
	if typ == typeString {
		v.literal(`"`)
	}
}

func (v *view) text(b []byte) {
	switch v.typ {
	case typeBinary:
		v.tail = append(v.tail, b...)
		n := len(v.tail) / 3 * 3
		v.literal(base64.StdEncoding.EncodeToString(v.tail[:n]))
		v.tail = append(v.tail[:0], v.tail[n:]...)
	case typeUUID:
		v.tail = append(v.tail, b...)
	default:
		var out []byte
		out, v.tail = decode.AppendJSON(nil, append(v.tail, b...), false)
		v.literal(string(out))
		if room := factBytes - len(v.shown); room > 0 {
			v.shown = append(v.shown, b[:min(room, len(b))]...)
		}
	}
}

func (v *view) end() {
	switch v.typ {
	case typeBinary:
		v.literal(base64.StdEncoding.EncodeToString(v.tail) + `","subType":"` + hexOf([]byte{v.subtype}) + `"}}`)
	case typeUUID:
		v.literal(uuid(v.tail) + `"}`)
	default:
		v.literal(string(appendJSON(nil, v.tail)) + `"`)
		switch v.typ {
		case typePointer:
			v.literal("}}")
		case typeCode, typeSymbol:
			v.literal("}")
		}
		v.note(string(v.shown))
	}
	v.ended()
}

func uuid(b []byte) string {
	s := hexOf(b)
	if len(s) != 32 {
		return s
	}
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// sequence begins documents that are an element of the command, in a section of
// their own.
func (v *view) sequence(name string) {
	v.first = false
	v.open(false)
	v.name([]byte(name))
	v.open(true)
}

// item begins the i-th document of a sequence.
func (v *view) item(i int) { v.name([]byte(strconv.Itoa(i))) }

// endSequence ends it.
func (v *view) endSequence() {
	v.close()
	v.close()
}
