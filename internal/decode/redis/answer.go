package redis

import (
	"strconv"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// Bounds of what is kept of an answer beside its body.
const (
	statusBytes = 512 // of a simple string or an error
	wordBytes   = 256 // of the first elements of an array
	wordsKept   = 4
)

// answer is a [visitor] that collects one value: a single string as its bytes,
// an aggregate as JSON.
type answer struct {
	at      *parser
	limit   int // of the body
	body    *decode.Body
	payload int64 // bytes of all leaves, without framing
	mask    masking
	secrets bool // nothing is masked

	typ   byte   // of the value: '_' is a null
	n     int64  // its elements
	text  []byte // the begin of its only leaf
	words [wordsKept][]byte
	nulls [wordsKept]bool
	attrs []byte // attributes, as JSON

	// pushes reports that an array may be a message to a subscriber: its payload
	// becomes the body.
	pushes bool
	raw    int // index of the element that is the body, 0: none
	// kid makes the answer of the i-th element of an array of n, where the elements
	// are answers of their own; done takes it.
	kid    func(i, n int64) *answer
	done   func(i int64, a *answer)
	kidNow *answer
	mark   int64 // size of the value up to the element that is read
	size   int64 // of an element, with its framing
	inKids int64 // bytes that belong to answers of their own

	stack []level
	leafs int64 // number of elements at depth 1 that have begun
	cur   struct {
		typ    byte
		key    bool // of a map
		hidden bool
		kept   []byte
		word   int    // index of words, -1
		format int    // bytes of a verbatim string's format that are to come
		tail   []byte // begin of a character whose rest is to come
	}
	prev   string // the leaf before, in lower case
	inAttr int
	hash   byte // in a line of ACL rules: ' ' between words, '#' in a hash
}

type level struct {
	typ    byte
	n      int64 // elements that have begun
	hidden bool
}

func (a *answer) open(typ byte, n int64) {
	if a.kidNow != nil {
		a.kidNow.open(typ, n)
		return
	}
	if a.ownsKids() && typ != '|' {
		a.startKid()
		a.kidNow.open(typ, n)
		return
	}
	switch {
	case typ == '|':
		a.inAttr++
		if len(a.attrs) > 0 {
			a.write(" ")
		}
	case len(a.stack) == 0:
		a.typ, a.n, a.mark = typ, n, a.at.size
	default:
		a.element()
	}
	hidden := a.mask == maskUser && a.prev == "passwords" || len(a.stack) > 0 && a.stack[len(a.stack)-1].hidden
	a.stack = append(a.stack, level{typ: typ, hidden: hidden})
	a.write(opening(typ))
}

func opening(typ byte) string {
	if typ == '%' || typ == '|' {
		return "{"
	}
	return "["
}

func (a *answer) close() {
	if a.kidNow != nil {
		a.kidNow.close()
		if len(a.kidNow.stack) == 0 && a.kidNow.inAttr == 0 && a.kidNow.typ != 0 {
			a.endKid()
		}
		return
	}
	typ := a.stack[len(a.stack)-1].typ
	if typ == '%' || typ == '|' {
		a.write("}")
	} else {
		a.write("]")
	}
	a.stack = a.stack[:len(a.stack)-1]
	if typ == '|' {
		a.inAttr--
	}
}

// ownsKids reports whether what begins is an answer of its own.
func (a *answer) ownsKids() bool { return a.kid != nil && len(a.stack) == 1 && a.inAttr == 0 }

func (a *answer) startKid() {
	l := &a.stack[0]
	a.kidNow = a.kid(l.n, a.n)
	l.n++
}

func (a *answer) endKid() {
	kid := a.kidNow
	a.kidNow = nil
	kid.size, a.mark = a.at.size-a.mark, a.at.size
	a.done(a.stack[0].n-1, kid)
}

// element writes what stands before an element: a comma, or a map's colon.
func (a *answer) element() {
	if len(a.stack) == 0 {
		return
	}
	l := &a.stack[len(a.stack)-1]
	isMap := l.typ == '%' || l.typ == '|'
	switch {
	case l.n == 0:
	case isMap && l.n%2 == 1:
		a.write(":")
	default:
		a.write(",")
	}
	a.cur.key = isMap && l.n%2 == 0
	l.n++
	if len(a.stack) == 1 && a.inAttr == 0 {
		a.leafs++
	}
}

func (a *answer) leaf(typ byte, null bool) {
	if a.kidNow == nil && a.ownsKids() {
		a.startKid()
	}
	if a.kidNow != nil {
		a.kidNow.leaf(typ, null)
		return
	}
	if len(a.stack) == 0 {
		a.typ = typ
	}
	a.cur.key, a.cur.word = false, -1
	a.element()
	a.cur.typ, a.cur.kept = typ, a.cur.kept[:0]
	a.cur.hidden = a.hides()
	a.cur.format, a.cur.tail = 0, a.cur.tail[:0]
	if typ == '=' {
		a.cur.format = len("txt:")
	}
	a.hash = ' '
	if i := int(a.leafs) - 1; len(a.stack) == 1 && a.inAttr == 0 && i < wordsKept {
		a.cur.word = i
		a.nulls[i] = typ == '_'
	}
	if a.quoted() {
		a.write(`"`)
		if typ == '-' || typ == '!' {
			a.write("(error) ")
		}
	}
	if a.raw > 0 && len(a.stack) > 1 && a.body.Len() > 0 {
		a.body.Write([]byte{'\n'})
	}
	if a.cur.hidden {
		a.write(decode.Masked)
	}
}

// hides reports whether the leaf that begins is a secret.
func (a *answer) hides() bool {
	if a.secrets {
		return false
	}
	switch a.mask {
	case maskAll:
		return true
	case maskFields:
		return !a.cur.key && a.leafs%2 == 0 && secret.Name(a.prev)
	case maskConfig:
		return !a.cur.key && a.leafs%2 == 0 && secretParameter(a.prev)
	case maskUser:
		return len(a.stack) > 0 && a.stack[len(a.stack)-1].hidden
	}
	return false
}

// quoted reports whether the leaf is a string of JSON.
func (a *answer) quoted() bool {
	if len(a.stack) == 0 {
		return false
	}
	switch a.cur.typ {
	case ':', '#', ',', '(', '_':
		return a.cur.key
	}
	return true
}

func (a *answer) chunk(b []byte) {
	if a.kidNow != nil {
		a.kidNow.chunk(b)
		return
	}
	if a.cur.format > 0 {
		n := min(a.cur.format, len(b))
		a.cur.format -= n
		b = b[n:]
	}
	a.payload += int64(len(b))
	if a.cur.hidden {
		return
	}
	if a.mask == maskRules && !a.secrets {
		b = a.maskHashes(b)
	}
	if room := statusBytes - len(a.cur.kept); room > 0 {
		a.cur.kept = append(a.cur.kept, b[:min(room, len(b))]...)
	}
	switch {
	case len(a.stack) == 0:
		a.body.Write(b)
	case a.raw > 0 && (len(a.stack) > 1 || a.cur.word == a.raw):
		a.body.Write(b)
	case a.raw > 0:
	default:
		a.scalar(b)
	}
}

// scalar writes bytes of a leaf as JSON.
func (a *answer) scalar(b []byte) {
	if a.inAttr == 0 && a.body.Truncated() {
		a.body.Skip(int64(len(b)))
		return
	}
	switch {
	case a.cur.typ == '_':
	case a.cur.typ == '#' && !a.cur.key:
		a.write(boolean(b))
	case a.quoted():
		var text []byte
		text, a.cur.tail = decode.AppendJSON(nil, append(a.cur.tail, b...), false)
		a.writeBytes(text)
	default:
		a.writeBytes(b)
	}
}

func boolean(b []byte) string {
	switch string(b) {
	case "t":
		return "true"
	case "f":
		return "false"
	}
	return string(b)
}

func (a *answer) hole(n int64) {
	if a.kidNow != nil {
		a.kidNow.hole(n)
		return
	}
	a.payload += n
	a.body.Skip(n)
}

func (a *answer) endLeaf() {
	if a.kidNow != nil {
		a.kidNow.endLeaf()
		if len(a.kidNow.stack) == 0 {
			a.endKid()
		}
		return
	}
	if a.cur.typ == '_' && len(a.stack) > 0 && !a.cur.key {
		a.write("null")
	}
	if a.quoted() {
		text, _ := decode.AppendJSON(nil, a.cur.tail, true)
		a.writeBytes(text)
		a.write(`"`)
	}
	a.prev = strings.ToLower(string(a.cur.kept[:min(len(a.cur.kept), 128)]))
	switch i := a.cur.word; {
	case len(a.stack) == 0:
		a.text = append([]byte(nil), a.cur.kept...)
	case i >= 0:
		a.words[i] = append([]byte(nil), a.cur.kept[:min(len(a.cur.kept), wordBytes)]...)
		if i == 0 && (a.pushes || a.typ == '>') {
			a.raw = payloadIndex(string(a.words[0]), a.n)
			if a.raw > 0 {
				a.body = decode.NewBody(a.limit)
			}
		}
	}
}

// payloadIndex returns which element of a message to a subscriber is what was
// published, or 0 where it is no such message.
func payloadIndex(kind string, n int64) int {
	switch {
	case n == 3 && (kind == "message" || kind == "smessage"):
		return 2
	case n == 4 && kind == "pmessage":
		return 3
	}
	return 0
}

// maskHashes masks the words of ACL rules that are hashes of passwords.
func (a *answer) maskHashes(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		switch {
		case c == ' ':
			a.hash = ' '
		case a.hash == '#':
			continue
		case a.hash == ' ' && c == '#':
			a.hash = '#'
			out = append(out, '#')
			out = append(out, decode.Masked...)
			continue
		default:
			a.hash = 0
		}
		out = append(out, c)
	}
	return out
}

func (a *answer) write(s string) { a.writeBytes([]byte(s)) }

func (a *answer) writeBytes(b []byte) {
	switch {
	case a.inAttr > 0:
		if room := statusBytes - len(a.attrs); room > 0 {
			a.attrs = append(a.attrs, b[:min(room, len(b))]...)
		}
	case a.raw == 0 && a.kid == nil:
		a.body.Write(b)
	}
}

// failed reports whether the value is an error.
func (a *answer) failed() bool { return a.typ == '-' || a.typ == '!' }

// status returns what was answered in few words: a simple value as it is, and
// the kind of others.
func (a *answer) status() string {
	switch a.typ {
	case '+', '-', '!':
		return decode.Readable(a.text, statusBytes)
	case ':', ',', '(':
		return decode.Readable(a.text, 64)
	case '#':
		return boolean(a.text)
	case '_':
		return "nil"
	case '$', '=':
		return "string"
	case '*':
		return "array " + a.count()
	case '%':
		return "map " + strconv.FormatInt(max(a.leafs, 0)/2, 10)
	case '~':
		return "set " + a.count()
	case '>':
		return "push " + a.count()
	}
	return ""
}

func (a *answer) count() string {
	if a.n < 0 {
		return strconv.FormatInt(a.leafs, 10)
	}
	return strconv.FormatInt(a.n, 10)
}

// fill puts the value into a message.
func (a *answer) fill(m *decode.Message, size int64) {
	a.body.Fill(m)
	if !a.secrets && a.mask != maskNames {
		secret.Replace(m, a.limit, secret.Body("", m.Body))
	}
	m.BodyBytes = a.payload
	m.Bytes += size
}
