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
	f := fingerprint{lexer: lexer{d: d, s: text}, list: -1, tuple: -1, sign: -1}
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
	prev string // the last token that was written; of words in upper case
	kind tokenKind

	depth int
	// list is where in out a list begins that may be shortened, -1 without one;
	// pure means that it has only literals so far.
	list, listDepth int
	pure            bool
	// values reports that tuples of VALUES are read; tuple and tupleEnd are where
	// in out the last one is.
	values          bool
	tuple, tupleEnd int

	sign int // where in out a sign is that belongs to the number after it, or -1
}

func (f *fingerprint) add(t token) {
	text := t.text(f.s)
	switch t.kind {
	case str, number, placeholder:
		if f.sign >= 0 && t.kind != str {
			f.out = f.out[:f.sign]
		}
		text = "?"
	case op:
	default:
		f.pure = false
	}
	sign := -1
	if (text == "-" || text == "+") && t.kind == op && f.unaryNext() {
		sign = len(f.out)
	}
	if f.values && f.list < 0 && f.prev == ")" && text != "," && f.depth == 0 {
		f.values = false
	}
	if f.spaceBefore(t, text) {
		f.out = append(f.out, ' ')
	}
	switch {
	case text == "(" || text == "[":
		f.open(text)
	case text == ")" || text == "]":
		f.out = append(f.out, text...)
		f.depth--
		if f.list >= 0 && f.depth == f.listDepth {
			f.closeList(text)
		}
	default:
		if text != "," && text != "?" && sign < 0 {
			f.pure = false
		}
		f.out = append(f.out, text...)
	}
	f.sign = sign
	f.prev, f.kind = text, t.kind
	if t.kind == word {
		f.prev = strings.ToUpper(text)
		if f.prev == "VALUES" || f.prev == "VALUE" {
			f.values, f.tuple, f.depth = true, -1, 0
			f.list = -1
		}
	}
}

// open begins a list, which may be shortened after IN, VALUES and ARRAY.
func (f *fingerprint) open(text string) {
	may := false
	if f.list < 0 {
		switch f.prev {
		case "IN", "VALUES", "VALUE":
			may = text == "("
		case "ARRAY":
			may = text == "["
		case ",":
			may = f.values && f.depth == 0 && text == "("
		}
	}
	if may {
		f.list, f.listDepth, f.pure = len(f.out), f.depth, true
	} else {
		f.pure = false
	}
	f.out = append(f.out, text...)
	f.depth++
}

// closeList shortens a list, and drops a tuple that is like the one before it.
func (f *fingerprint) closeList(end string) {
	if f.pure && len(f.out) > f.list+2 {
		f.out = append(f.out[:f.list+1], "?"+end...)
	}
	start := f.list
	f.list = -1
	if !f.values || f.depth != 0 {
		return
	}
	if f.tuple >= 0 && bytes.Equal(f.out[f.tuple:f.tupleEnd], f.out[start:]) {
		f.out = f.out[:f.tupleEnd]
		return
	}
	f.tuple, f.tupleEnd = start, len(f.out)
}

// unaryNext reports whether a sign that comes next belongs to a number.
func (f *fingerprint) unaryNext() bool {
	switch f.kind {
	case op:
		return f.prev != ")" && f.prev != "]"
	case word:
		switch f.prev {
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
	switch text {
	case ",", ")", ";", ".", "]", "::", "[":
		return false
	case "(":
		switch f.prev {
		case "IN", "VALUES", "VALUE", "AND", "OR", "NOT":
			return true
		}
		return f.prev != "(" && (t.spaced || f.kind == op && f.prev != ".")
	}
	if f.kind == op {
		switch f.prev {
		case "(", ".", "::", "[":
			return false
		}
	}
	return f.sign < 0 || t.kind == op || f.prev == ""
}
