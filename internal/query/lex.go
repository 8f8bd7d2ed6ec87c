package query

import (
	"strings"
	"unicode/utf8"
)

// tokenKind is what a token is.
type tokenKind uint8

const (
	wordToken tokenKind = iota + 1 // a plain word; quoted or not
	andToken
	orToken
	notToken
	openToken
	closeToken
	opToken   // an operator without a key before it
	termToken // KEY OP VALUES
	badToken  // a quote that is not closed
)

// token is a part of a filter.
type token struct {
	kind   tokenKind
	text   string // a word without its quotes, or a term's key
	quoted bool
	op     Op
	values []rawValue
	source string // as it was written
	at     int    // which word of the filter, from 1
}

// after returns a term as it was written, without its key.
func (t *token) after() string {
	if n := len(t.text); len(t.source) > n && strings.EqualFold(t.source[:n], t.text) {
		return clip(t.source[n:])
	}
	return t.op.String()
}

// rawValue is one of the values of a term, with its quotes taken away.
type rawValue struct {
	text   string
	quoted bool
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isKeyword(s string) bool { return keyword(s) != 0 }

func keyword(s string) tokenKind {
	switch s {
	case "and", "AND":
		return andToken
	case "or", "OR":
		return orToken
	case "not", "NOT":
		return notToken
	}
	return 0
}

// keyLen returns how long the key is with which a text begins.
func keyLen(s string) int {
	i := 0
	for i < len(s) {
		c := s[i] | 0x20
		if c >= 'a' && c <= 'z' || i > 0 && (s[i] >= '0' && s[i] <= '9' || s[i] == '_' || s[i] == '-' || s[i] == '.') {
			i++
			continue
		}
		break
	}
	return i
}

func isKey(s string) bool { return s != "" && keyLen(s) == len(s) }

// operator returns the operator with which a text begins, and its length.
func operator(s string) (Op, int) {
	for _, o := range []struct {
		text string
		op   Op
	}{{"!=", Ne}, {"!~", NotContains}, {"<=", Le}, {">=", Ge}, {"=~", Contains}, {"==", Eq}, {"=", Eq}, {"<", Lt}, {">", Gt}, {"~", Contains}} {
		if strings.HasPrefix(s, o.text) {
			return o.op, len(o.text)
		}
	}
	return 0, 0
}

// lex takes a text apart. Words count from at; each blank begins another, if
// counts.
func lex(s string, at int, counts bool) []token {
	var out []token
	add := func(t token, from, to int) {
		t.source, t.at = s[from:to], at
		out = append(out, t)
	}
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case isBlank(c):
			i++
			if counts && len(out) > 0 && i < len(s) && !isBlank(s[i]) {
				at++
			}
		case c == '(':
			add(token{kind: openToken}, i, i+1)
			i++
		case c == ')':
			add(token{kind: closeToken}, i, i+1)
			i++
		case c == '"' || c == '\'':
			text, n, ok := unquote(s[i:])
			if !ok {
				add(token{kind: badToken, text: s[i:]}, i, len(s))
				return out
			}
			add(token{kind: wordToken, text: text, quoted: true}, i, i+n)
			i += n
		default:
			start := i
			key := keyLen(s[i:])
			op, n := operator(s[i+key:])
			if n == 0 {
				i += rawLen(s[i:], false)
				t := token{kind: wordToken, text: s[start:i]}
				if k := keyword(t.text); k != 0 {
					t.kind = k
				}
				if strings.HasPrefix(t.text, "not(") { // not(a b)
					t.text, t.kind, i = "not", notToken, start+3
				}
				add(t, start, i)
				continue
			}
			i += key + n
			t := token{kind: termToken, text: strings.ToLower(s[start : start+key]), op: op}
			if key == 0 {
				t.kind = opToken
			}
			values, n, ok := lexValues(s[i:])
			if !ok {
				add(token{kind: badToken, text: s[i:], op: op}, start, len(s))
				return out
			}
			i += n
			t.values = values
			add(t, start, i)
		}
	}
	return out
}

// rawLen returns how long the unquoted text is with which s begins: up to a
// blank, a parenthesis that closes none of its own, or, if list, a comma.
func rawLen(s string, list bool) int {
	depth := 0
	for i := range len(s) {
		switch c := s[i]; {
		case isBlank(c), list && c == ',':
			return i
		case c == '(':
			depth++
		case c == ')':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return len(s)
}

// lexValues reads the values of a term, with commas between.
func lexValues(s string) (out []rawValue, n int, ok bool) {
	for {
		if n < len(s) && (s[n] == '"' || s[n] == '\'') {
			text, m, ok := unquote(s[n:])
			if !ok {
				return nil, 0, false
			}
			out = append(out, rawValue{text, true})
			n += m
		} else {
			m := rawLen(s[n:], true)
			if m == 0 && len(out) == 0 && (n == len(s) || s[n] != ',') {
				return nil, n, true // the value is the next word, or there is none
			}
			out = append(out, rawValue{s[n : n+m], false})
			n += m
		}
		if n == len(s) || s[n] != ',' {
			return out, n, true
		}
		n++
	}
}

// unquote reads a quoted text. In double quotes a backslash takes the meaning
// from the quote or backslash behind it; in single quotes nothing does.
func unquote(s string) (text string, n int, ok bool) {
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return b.String(), i + 1, true
		case quote == '"' && s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0, false
}

// combine joins tokens that are one term: a key, an operator and a value with
// blanks between, `port 3000`, `process contains node`.
func (p *parser) combine(in []token) []token {
	var out []token
	plain := func(i int) bool { return i < len(in) && in[i].kind == wordToken }
	for i := 0; i < len(in); i++ {
		t := in[i]
		if t.kind == wordToken && !t.quoted && isKey(t.text) {
			f := p.schema.Field(strings.ToLower(t.text))
			switch {
			case i+1 < len(in) && in[i+1].kind == opToken:
				next := in[i+1]
				t = token{kind: termToken, text: strings.ToLower(t.text), op: next.op, values: next.values, source: t.source + next.source, at: t.at}
				i++
			case f != nil && plain(i+1) && plain(i+2) && !in[i+1].quoted && in[i+1].text == "contains":
				t = token{kind: termToken, text: f.Name, op: Contains, source: t.source, at: t.at}
				i++
			case f != nil && f.Spaced && plain(i+1) && !in[i+1].quoted && in[i+1].text[0] >= '0' && in[i+1].text[0] <= '9':
				t = token{kind: termToken, text: f.Name, op: Eq, source: t.source, at: t.at}
			}
		}
		if t.kind == termToken && t.values == nil && plain(i+1) {
			next := in[i+1]
			t.source += " " + next.source
			if next.quoted {
				t.values = []rawValue{{next.text, true}}
			} else {
				t.values, _, _ = lexValues(next.text)
			}
			i++
		}
		out = append(out, t)
	}
	return out
}

// expression reports whether tokens are more than plain words.
func expression(tokens []token) bool {
	for _, t := range tokens {
		switch t.kind {
		case termToken, andToken, orToken, notToken:
			return true
		case wordToken:
			if t.quoted {
				return true
			}
		case badToken:
			if t.op != 0 {
				return true
			}
		}
	}
	return false
}

// valid reports whether a text is UTF-8 without control characters.
func valid(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
