package sqltext

import (
	"bytes"
	"strings"
)

// Fingerprint returns a statement with its literals and parameters replaced by
// "?", lists of them shortened to one, and white space and comments normalised,
// so that statements that differ only in these are equal. Names and keywords
// stay as they are.
func Fingerprint(d Dialect, text string) string {
	f := fingerprint{lexer: lexer{d: d, s: text}, tuple: -1, sign: -1}
	f.out = make([]byte, 0, min(len(text)+8, 4096))
	for {
		t, ok := f.next()
		if !ok {
			break
		}
		f.add(t)
	}
	return strings.TrimRight(string(f.out), "; ")
}

type fingerprint struct {
	lexer
	out  []byte
	last written // the token before

	depth int    // of parentheses and brackets
	lists []list // those that are open and may be shortened
	// values reports that tuples of VALUES are read; tuple and tupleEnd are where
	// in out the last one is.
	values          bool
	tuple, tupleEnd int

	// sign is where in out a sign is that belongs to a number after it, or -1; before
	// is the token before the sign.
	sign   int
	before written
}

// written is a token as it was written; text is upper case where it is a word.
type written struct {
	text string
	kind tokenKind
}

// list is a list of values in parentheses, or a tuple of VALUES.
type list struct {
	start, depth int
	pure, tuple  bool // it has only literals so far
}

func (f *fingerprint) add(t token) {
	text := t.text(f.s)
	switch t.kind {
	case number, placeholder, str:
		if f.sign >= 0 && t.kind != str {
			f.out, f.last, f.sign = f.out[:f.sign], f.before, -1
		}
		text = "?"
	case word, quoted:
		f.impure()
	case op:
		f.values = f.values && (f.depth > 0 || text == "," || text == "(" || text == ")")
	}
	if f.values && f.depth == 0 && f.last.text == ")" && text != "," {
		f.values = false
	}
	sign := -1
	if t.kind == op && (text == "-" || text == "+") && f.signNext() {
		sign, f.before = len(f.out), f.last
	}
	if f.spaceBefore(t, text) {
		f.out = append(f.out, ' ')
	}
	switch {
	case t.kind == op && (text == "(" || text == "["):
		f.open(text)
	case t.kind == op && (text == ")" || text == "]"):
		f.close(text)
	default:
		if t.kind == op && text != "," && sign < 0 {
			f.impure()
		}
		f.out = append(f.out, text...)
	}
	f.sign, f.last = sign, written{text, t.kind}
	if t.kind == word {
		f.last.text = strings.ToUpper(text)
		if f.last.text == "VALUES" || f.last.text == "VALUE" {
			f.values, f.tuple, f.depth, f.lists = true, -1, 0, f.lists[:0]
		}
	}
}

// impure notes that the innermost list has more than literals.
func (f *fingerprint) impure() {
	if n := len(f.lists); n > 0 {
		f.lists[n-1].pure = false
	}
}

// open begins a list, which may be shortened after IN, VALUES and ARRAY.
func (f *fingerprint) open(text string) {
	f.impure()
	l := list{start: len(f.out), depth: f.depth, pure: true}
	may := false
	switch f.last.text {
	case "IN":
		may = text == "("
	case "ARRAY":
		may = text == "["
	case "VALUES", "VALUE", ",":
		may = f.values && f.depth == 0 && text == "("
		l.tuple = may
	}
	if may {
		f.lists = append(f.lists, l)
	}
	f.out = append(f.out, text...)
	f.depth++
}

// close ends a list: it is shortened, and dropped where it is a tuple like the
// one before it.
func (f *fingerprint) close(text string) {
	f.out = append(f.out, text...)
	f.depth--
	n := len(f.lists)
	if n == 0 || f.lists[n-1].depth != f.depth {
		return
	}
	l := f.lists[n-1]
	f.lists = f.lists[:n-1]
	if l.pure && len(f.out) > l.start+2 {
		f.out = append(f.out[:l.start+1], "?"+text...)
	}
	switch {
	case !l.tuple:
	case f.tuple >= 0 && bytes.Equal(f.out[f.tuple:f.tupleEnd], f.out[l.start:]):
		f.out = f.out[:f.tupleEnd]
	default:
		f.tuple, f.tupleEnd = l.start, len(f.out)
	}
}

// signNext reports whether a sign that comes next belongs to a number.
func (f *fingerprint) signNext() bool {
	switch f.last.kind {
	case op:
		return f.last.text != ")" && f.last.text != "]"
	case word:
		switch f.last.text {
		case "SELECT", "WHERE", "AND", "OR", "NOT", "BETWEEN", "LIMIT", "OFFSET", "WHEN", "THEN", "ELSE", "CASE",
			"BY", "RETURN", "RETURNING", "LIKE", "SET", "ON", "HAVING", "DISTINCT", "ALL", "DEFAULT", "":
			return true
		}
	}
	return false
}

// spaceBefore reports whether a space is written before a token: where one
// stands does not depend on the text, except before an opening parenthesis.
func (f *fingerprint) spaceBefore(t token, text string) bool {
	if len(f.out) == 0 {
		return false
	}
	last := f.last.text
	if f.last.kind == op && (last == "(" || last == "." || last == "::" || last == "[") {
		return false
	}
	switch text {
	case ",", ")", ";", ".", "]", "::", "[":
		return false
	case "(":
		switch last {
		case "IN", "VALUES", "VALUE", "AND", "OR", "NOT":
			return true
		}
		return t.spaced || f.last.kind == op
	}
	return f.sign < 0 || t.kind == op
}
