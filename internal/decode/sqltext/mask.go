package sqltext

import (
	"slices"
	"strconv"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// Mask returns a statement with its secrets masked, and the numbers of the parameters
// that are secrets, from 1. A secret is
//   - what is given to a column with the name of a secret ([secret.Name]), by INSERT and
//     REPLACE with a list of columns, in all rows, and by UPDATE;
//   - what such a column, or a member of JSON that ->> names, is compared with;
//   - a string after a word that ends with PASSWORD, with = or ( between them:
//     ALTER USER u PASSWORD 'x', SET PASSWORD FOR u = 'x', MASTER_PASSWORD = 'x';
//   - a string after BY, AS, USING and REPLACE where IDENTIFIED is before them;
//   - what [secret.Inside] finds within a string: a connection string, an address with a
//     password, JSON.
//
// The body of a dollar-quoted string is searched as a statement. Columns that a statement
// does not name, as in INSERT without a list, are not known.
func Mask(d Dialect, text string) (string, []int) { return mask(d, text, 3) }

func mask(d Dialect, text string, depth int) (string, []int) {
	if !secret.May(text) && !containsFold(text, "identified") {
		return text, nil
	}
	m := masker{lexer: lexer{d: d, s: text}, armedAt: never}
	var params []int
	marks := 0
	for {
		t, ok := m.next()
		if !ok {
			break
		}
		hidden := m.secret(t)
		switch {
		case t.kind == placeholder:
			marks++
			if hidden {
				n := marks
				if d == PostgreSQL {
					n, _ = strconv.Atoi(t.text(text)[1:])
				}
				params = append(params, n)
			}
		case (t.kind == str || t.kind == number) && hidden:
			m.replace(t, "'"+decode.Masked+"'")
		case t.kind == str:
			m.inside(t, depth)
		}
	}
	slices.Sort(params)
	params = slices.Compact(params)
	if m.out == nil {
		return text, params
	}
	return string(append(m.out, text[m.done:]...)), params
}

// containsFold is strings.Contains without regard to case; what is in lower case.
func containsFold(s, what string) bool {
	for i := 0; i+len(what) <= len(s); i++ {
		if s[i]|0x20 == what[0] && strings.EqualFold(s[i:i+len(what)], what) {
			return true
		}
	}
	return false
}

type masker struct {
	lexer
	out  []byte
	done int // of the text has been written to out

	words      int
	first      string // words of the statement, in upper case
	prev       string // the last word in upper case, or "" where another token was last
	identified bool
	setting    bool // SET PASSWORD
	depth      int  // parentheses that are open
	// named: the last thing is a column with the name of a secret. path: the last token
	// is an operator that takes a member out of JSON. cast: it is "::".
	named, path, cast bool
	// armedAt is the number of parentheses within which all constants are secrets, until
	// a comma or a keyword, or [never].
	armedAt int
	insert  insert
}

const never = 1 << 30

// secret reports whether a token is a secret, and notes what it means for the next one.
func (m *masker) secret(t token) bool {
	text := t.text(m.s)
	m.insert.token(m, t, text)
	switch t.kind {
	case str, placeholder, number:
		found := m.depth >= m.armedAt || m.insert.secret(m.depth)
		if t.kind != number {
			found = found || isPassword(m.prev)
			if m.identified {
				switch m.prev {
				case "BY", "AS", "USING", "REPLACE":
					found = true
				}
			}
		}
		m.named = m.path && isMember(text)
		m.prev, m.path, m.cast = "", false, false
		return found
	case word, quoted:
		m.word(strings.Trim(text, "`\""), t.kind == quoted)
	case op:
		m.operator(text)
	}
	return false
}

// word takes a keyword or a name.
func (m *masker) word(name string, isQuoted bool) {
	m.words++
	w := strings.ToUpper(name)
	m.prev, m.path = w, false
	switch {
	case m.words == 1:
		m.first = w
	case m.words == 2:
		m.setting = m.first == "SET" && w == "PASSWORD"
	}
	if m.cast { // a type
		m.cast = false
		return
	}
	if !isQuoted {
		m.identified = m.identified || w == "IDENTIFIED"
		switch w {
		case "IN", "LIKE", "ILIKE", "BETWEEN":
			if m.named {
				m.armedAt = min(m.armedAt, m.depth)
			}
		case "NOT":
			return // it remains named
		}
		if m.depth <= m.armedAt && endsValue(w) && !m.named {
			m.armedAt = never
		}
	}
	m.named = secret.Name(name)
}

// endsValue reports whether a keyword is behind the end of a value.
func endsValue(w string) bool {
	switch w {
	case "WHERE", "AND", "OR", "FROM", "RETURNING", "ON", "ORDER", "GROUP", "LIMIT", "SET", "WHEN", "THEN", "ELSE", "END", "UNION", "AS", "HAVING", "USING", "VALUES":
		return true
	}
	return false
}

// operator takes an operator or a sign.
func (m *masker) operator(text string) {
	prev := m.prev
	m.prev = ""
	m.path, m.cast = false, false
	switch {
	case text == "(":
		m.depth++
		if isPassword(prev) {
			m.armedAt = min(m.armedAt, m.depth)
		}
	case text == ")":
		m.depth--
		if m.depth < m.armedAt {
			m.armedAt = never
		}
		return // lower(password) is named too
	case text == ",":
		if m.depth <= m.armedAt {
			m.armedAt = never
		}
	case text == ";":
		*m = masker{lexer: m.lexer, out: m.out, done: m.done, armedAt: never}
	case text == "::":
		m.cast = true
		return
	case text == "->" || text == "->>" || text == "#>" || text == "#>>":
		m.path = true
	case text == ".":
	case compares(text) && (m.named || m.setting):
		m.armedAt = min(m.armedAt, m.depth)
	}
	m.named = false
}

// compares reports whether an operator compares, or gives a value.
func compares(op string) bool {
	switch op {
	case "<>", "!=", "<=>", ":=", "~", "~~", "~*", "^@":
		return true
	}
	return strings.HasPrefix(op, "=")
}

// isPassword reports whether a string that follows a word is a password.
func isPassword(w string) bool { return strings.HasSuffix(w, "PASSWORD") }

// isMember reports whether a constant, of the form 'password' or '{a,password}', names a
// member that is a secret.
func isMember(text string) bool {
	text = strings.Trim(text, "'\"{} ")
	if i := strings.LastIndexByte(text, ','); i >= 0 {
		text = text[i+1:]
	}
	return secret.Name(text)
}

func (m *masker) replace(t token, with string) {
	m.out = append(m.out, m.s[m.done:t.start]...)
	m.out = append(m.out, with...)
	m.done = t.end
}

// inside masks what is in a string that is not itself a secret.
func (m *masker) inside(t token, depth int) {
	text := t.text(m.s)
	if text[0] == '$' && depth > 0 {
		n := strings.IndexByte(text[1:], '$') + 2
		if len(text) >= 2*n {
			if body, _ := mask(m.d, text[n:len(text)-n], depth-1); body != text[n:len(text)-n] {
				m.replace(t, text[:n]+body+text[len(text)-n:])
			}
		}
		return
	}
	q := text[len(text)-1:]
	i := strings.Index(text, q)
	if i < 0 || i == len(text)-1 || !secret.May(text) {
		return
	}
	content := strings.ReplaceAll(text[i+1:len(text)-1], q+q, q)
	if masked := secret.Inside(content); masked != content {
		m.replace(t, text[:i+1]+strings.ReplaceAll(masked, q, q+q)+q)
	}
}
