package sqltext

import "strings"

type tokenKind uint8

const (
	word        tokenKind = iota // a keyword or a name
	quoted                       // a quoted name
	str                          // a string constant
	number                       // a numeric constant
	placeholder                  // $1, ?
	op                           // anything else
)

type token struct {
	kind       tokenKind
	start, end int
	spaced     bool // white space or a comment is before it
}

func (t token) text(s string) string { return s[t.start:t.end] }

func (t token) is(s, what string) bool { return t.kind == op && s[t.start:t.end] == what }

// lexer splits a text into tokens; comments are left out.
type lexer struct {
	d Dialect
	s string
	i int
	// conditional counts MySQL's comments that are code, /*!50000 … */, and are open.
	conditional int
}

// next returns the next token, and false at the end.
func (l *lexer) next() (token, bool) {
	spaced := l.space()
	if l.i >= len(l.s) {
		return token{}, false
	}
	t := token{start: l.i, spaced: spaced}
	t.kind = l.scan()
	t.end = l.i
	return t, true
}

func (l *lexer) at(i int) byte {
	if i < len(l.s) {
		return l.s[i]
	}
	return 0
}

func (l *lexer) has(prefix string) bool { return strings.HasPrefix(l.s[l.i:], prefix) }

// space skips white space and comments, and reports whether there were any.
func (l *lexer) space() bool {
	start := l.i
	for l.i < len(l.s) {
		switch c := l.s[l.i]; {
		case c == ' ' || c >= '\t' && c <= '\r' || c == 0:
			l.i++
		case c == '-' && l.at(l.i+1) == '-' && (l.d == PostgreSQL || l.at(l.i+2) <= ' '):
			l.line()
		case c == '#' && l.d == MySQL:
			l.line()
		case c == '/' && l.at(l.i+1) == '*':
			l.comment()
		case c == '*' && l.at(l.i+1) == '/' && l.conditional > 0:
			l.conditional--
			l.i += 2
		default:
			return l.i > start
		}
	}
	return l.i > start
}

// line skips a comment that ends with the line.
func (l *lexer) line() {
	if n := strings.IndexByte(l.s[l.i:], '\n'); n >= 0 {
		l.i += n + 1
		return
	}
	l.i = len(l.s)
}

// comment skips /* … */, which nests in PostgreSQL. Of a comment that MySQL
// executes only the opening is skipped.
func (l *lexer) comment() {
	l.i += 2
	if l.d == MySQL {
		if l.has("!") || l.has("M!") {
			l.i += strings.IndexByte(l.s[l.i:], '!') + 1
			for l.i < len(l.s) && isDigit(l.s[l.i]) {
				l.i++
			}
			l.conditional++
			return
		}
		if n := strings.Index(l.s[l.i:], "*/"); n >= 0 {
			l.i += n + 2
		} else {
			l.i = len(l.s)
		}
		return
	}
	for depth := 1; l.i < len(l.s); {
		switch {
		case l.has("*/"):
			l.i += 2
			if depth--; depth == 0 {
				return
			}
		case l.has("/*"):
			depth++
			l.i += 2
		default:
			l.i++
		}
	}
}

// scan moves over one token, which is not empty.
func (l *lexer) scan() tokenKind {
	c := l.s[l.i]
	switch {
	case c == '\'':
		l.quote('\'', l.d == MySQL)
		return str
	case c == '"':
		l.quote('"', l.d == MySQL)
		if l.d == MySQL {
			return str
		}
		return quoted
	case c == '`' && l.d == MySQL:
		l.quote('`', false)
		return quoted
	case c == '$' && l.d == PostgreSQL:
		return l.dollar()
	case c == '?' && l.d == MySQL:
		l.i++
		return placeholder
	case isDigit(c) || c == '.' && isDigit(l.at(l.i+1)):
		l.number()
		return number
	case l.isWord(c):
		return l.word()
	case c == ':' && (l.at(l.i+1) == ':' || l.at(l.i+1) == '='):
		l.i += 2
		return op
	case l.isOperator(c):
		l.operator()
		return op
	}
	l.i++
	return op
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isWord reports whether a name may have a byte, but for digits at its begin.
func (l *lexer) isWord(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80 || isDigit(c) ||
		l.d == MySQL && (c == '$' || c == '@')
}

func (l *lexer) isOperator(c byte) bool {
	switch c {
	case '+', '-', '*', '/', '<', '>', '=', '~', '!', '%', '^', '&', '|':
		return true
	case '@', '#', '?', '`':
		return l.d == PostgreSQL
	}
	return false
}

// word moves over a name, or a string constant with a prefix such as E'…'.
func (l *lexer) word() tokenKind {
	start := l.i
	for l.i < len(l.s) && (l.isWord(l.s[l.i]) || l.s[l.i] == '$') {
		l.i++
	}
	if l.at(l.i) != '\'' && (l.at(l.i) != '&' || l.i-start != 1) {
		return word
	}
	switch w := l.s[start:l.i]; {
	case l.at(l.i) == '&':
		if l.d == PostgreSQL && w[0]|0x20 == 'u' && (l.at(l.i+1) == '\'' || l.at(l.i+1) == '"') {
			l.i++
			q := l.s[l.i]
			l.quote(q, false)
			if q == '"' {
				return quoted
			}
			return str
		}
	case len(w) == 1 && strings.Contains("bxn", strings.ToLower(w)):
		l.quote('\'', l.d == MySQL)
		return str
	case len(w) == 1 && w[0]|0x20 == 'e' && l.d == PostgreSQL:
		l.quote('\'', true)
		return str
	case w[0] == '_' && l.d == MySQL: // the name of a character set
		l.quote('\'', true)
		return str
	}
	return word
}

// quote moves over what is quoted by q, which is doubled in it or, where
// escapes is set, has a backslash before it.
func (l *lexer) quote(q byte, escapes bool) {
	for l.i++; l.i < len(l.s); l.i++ {
		switch c := l.s[l.i]; {
		case c == '\\' && escapes:
			l.i++
		case c == q && l.at(l.i+1) == q && l.i+1 < len(l.s):
			l.i++
		case c == q:
			l.i++
			return
		}
	}
	l.i = len(l.s)
}

// dollar moves over $1, $$…$$ or $tag$…$tag$.
func (l *lexer) dollar() tokenKind {
	start := l.i
	l.i++
	if isDigit(l.at(l.i)) {
		for isDigit(l.at(l.i)) {
			l.i++
		}
		return placeholder
	}
	for l.i < len(l.s) && l.isWord(l.s[l.i]) {
		l.i++
	}
	if l.at(l.i) != '$' {
		l.i = start + 1
		return op
	}
	l.i++
	tag := l.s[start:l.i]
	if n := strings.Index(l.s[l.i:], tag); n >= 0 {
		l.i += n + len(tag)
	} else {
		l.i = len(l.s)
	}
	return str
}

// number moves over a numeric constant.
func (l *lexer) number() {
	start := l.i
	for l.i < len(l.s) {
		c := l.s[l.i]
		sign := (c == '+' || c == '-') && l.i > start && l.s[l.i-1]|0x20 == 'e' &&
			!strings.HasPrefix(l.s[start:l.i], "0x") && isDigit(l.at(l.i+1))
		if !isDigit(c) && c != '.' && c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && !sign {
			return
		}
		l.i++
	}
}

// operator moves over an operator, by PostgreSQL's rules: no comment begins in
// it, and it ends with + or - only where it has a character of ~!@#%^&|`?.
func (l *lexer) operator() {
	start, special := l.i, false
	for l.i < len(l.s) && l.isOperator(l.s[l.i]) {
		c, n := l.s[l.i], l.at(l.i+1)
		if l.i > start && (c == '-' && n == '-' || c == '/' && n == '*') || c == '*' && n == '/' && l.conditional > 0 {
			break
		}
		special = special || strings.IndexByte("~!@#%^&|`?", c) >= 0
		l.i++
	}
	for l.i > start+1 && !special && (l.s[l.i-1] == '+' || l.s[l.i-1] == '-') {
		l.i--
	}
	if l.i == start {
		l.i++
	}
}
