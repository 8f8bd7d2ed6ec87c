package sqltext

import (
	"slices"
	"strconv"
	"strings"

	"lodge/internal/decode"
)

// Mask returns a statement with its passwords masked, and the numbers of the
// parameters that are passwords, from 1. A password is
//   - a string after a word that ends with PASSWORD, with = or ( between them:
//     ALTER USER u PASSWORD 'x', SET PASSWORD FOR u = 'x', MASTER_PASSWORD = 'x',
//     and also a comparison with a column of that name;
//   - a string after BY, AS, USING and REPLACE where IDENTIFIED is before them;
//   - the value of password= in a string, as in connection strings, and the
//     password of an address of the form scheme://user:password@host.
//
// The body of a dollar-quoted string is searched as a statement.
func Mask(d Dialect, text string) (string, []int) { return mask(d, text, 3) }

func mask(d Dialect, text string, depth int) (string, []int) {
	if !mayHavePassword(text) {
		return text, nil
	}
	m := masker{lexer: lexer{d: d, s: text}}
	var params []int
	marks := 0
	for {
		t, ok := m.next()
		if !ok {
			break
		}
		secret := m.secret(t)
		switch {
		case t.kind == placeholder:
			marks++
			if secret {
				n := marks
				if d == PostgreSQL {
					n, _ = strconv.Atoi(t.text(text)[1:])
				}
				params = append(params, n)
			}
		case t.kind == str && secret:
			m.replace(t, "'"+decode.Masked+"'")
		case t.kind == str:
			m.inside(t, depth)
		}
	}
	slices.Sort(params)
	if m.out == nil {
		return text, params
	}
	return string(append(m.out, text[m.done:]...)), params
}

func mayHavePassword(text string) bool {
	return containsFold(text, "password") || containsFold(text, "identified") || strings.Contains(text, "://")
}

// containsFold is strings.Contains without regard to case; what is in lower case.
func containsFold(s, what string) bool { return indexFold(s, what) >= 0 }

func indexFold(s, what string) int {
	for i := 0; i+len(what) <= len(s); i++ {
		if s[i]|0x20 == what[0] && strings.EqualFold(s[i:i+len(what)], what) {
			return i
		}
	}
	return -1
}

type masker struct {
	lexer
	out  []byte
	done int // of the text has been written to out

	words      int
	first      string // words of the statement, in upper case
	prev       string // the last word, or ""
	armed      bool   // a string that comes next is a password
	identified bool
	setting    bool // SET PASSWORD
}

// secret reports whether a token is a password, and notes what it means for the
// next one.
func (m *masker) secret(t token) bool {
	switch t.kind {
	case str, placeholder:
		found := m.armed
		if m.identified {
			switch m.prev {
			case "BY", "AS", "USING", "REPLACE":
				found = true
			}
		}
		m.armed, m.prev = false, ""
		return found
	case word, quoted:
		m.words++
		w := strings.ToUpper(strings.Trim(t.text(m.s), "`\""))
		m.prev = w
		m.armed = strings.HasSuffix(w, "PASSWORD")
		switch {
		case m.words == 1:
			m.first = w
		case m.words == 2:
			m.setting = m.first == "SET" && w == "PASSWORD"
		}
		m.identified = m.identified || w == "IDENTIFIED"
	case op:
		switch t.text(m.s) {
		case "=", ":=":
			m.armed = m.armed || m.setting
		case "(", ":", "::":
		case ";":
			m.words, m.identified, m.setting, m.armed = 0, false, false, false
		default:
			m.armed = false
		}
	case number:
		m.armed = false
	}
	return false
}

func (m *masker) replace(t token, with string) {
	m.out = append(m.out, m.s[m.done:t.start]...)
	m.out = append(m.out, with...)
	m.done = t.end
}

// inside masks what is in a string that is not itself a password.
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
	if masked := maskConnection(text); masked != text {
		m.replace(t, masked)
	}
}

// maskConnection masks the passwords of connection strings.
func maskConnection(s string) string {
	var out strings.Builder
	for {
		n := indexFold(s, "password")
		if n < 0 {
			break
		}
		n += len("password")
		value := strings.TrimLeft(s[n:], " ")
		if !strings.HasPrefix(value, "=") {
			out.WriteString(s[:n])
			s = s[n:]
			continue
		}
		value = strings.TrimLeft(value[1:], " ")
		out.WriteString(s[:len(s)-len(value)])
		out.WriteString(decode.Masked)
		s = value[passwordLen(value):]
	}
	out.WriteString(s)
	return maskAddress(out.String())
}

// maskAddress masks the password of scheme://user:password@host.
func maskAddress(s string) string {
	n := strings.Index(s, "://")
	if n < 0 {
		return s
	}
	rest := s[n+3:]
	if slash := strings.IndexAny(rest, "/? '"); slash >= 0 {
		rest = rest[:slash]
	}
	at, colon := strings.LastIndexByte(rest, '@'), strings.IndexByte(rest, ':')
	if colon < 0 || at < colon {
		return s
	}
	return s[:n+3+colon+1] + decode.Masked + s[n+3+at:]
}

// passwordLen is the length of the value at the begin of s, in a connection
// string in a string constant: quoted or up to a separator.
func passwordLen(s string) int {
	if strings.HasPrefix(s, "''") {
		if n := strings.Index(s[2:], "''"); n >= 0 {
			return n + 4
		}
	}
	if n := strings.IndexAny(s, " '\"&;,"); n >= 0 {
		return n
	}
	return len(s)
}
