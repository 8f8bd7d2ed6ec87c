// Package sqltext reads the text of SQL statements as far as a recording needs
// it: what kind a statement is, its text without literals, where a text with
// several statements is split, and which literals are passwords. It also writes
// rows and values as text. The decoders of PostgreSQL and MySQL share it.
//
// It is a lexer and not a parser: it knows the quoting of each dialect and a few
// keywords. Text that is no SQL, or is cut off, is read as far as it goes.
//
// Lexical structure: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
// and https://dev.mysql.com/doc/refman/8.4/en/language-structure.html
package sqltext

import (
	"slices"
	"strings"
)

// Dialect is whose quoting a text has.
type Dialect uint8

// The dialects.
const (
	PostgreSQL Dialect = iota
	MySQL              // and MariaDB
)

// Statement is what is known of one statement.
type Statement struct {
	// Text is the statement, with passwords masked unless secrets were wanted.
	Text string
	// Kind is its first keyword in upper case, after comments, parentheses and the
	// common table expressions of WITH; "" where it has none.
	Kind string
	// Group is the text with literals and parameters replaced by "?", lists of
	// them shortened, and comments and white space normalised.
	Group string
	// Secret has the numbers of the parameters that are passwords, from 1, in
	// ascending order.
	Secret []int
}

// IsSecret reports whether the parameter of a number, from 1, is a password.
func (s *Statement) IsSecret(n int) bool {
	_, found := slices.BinarySearch(s.Secret, n)
	return found
}

// Read returns what is known of one statement.
func Read(d Dialect, text string, secrets bool) Statement {
	s := Statement{Text: text, Kind: Kind(d, text), Group: Fingerprint(d, text)}
	masked, params := Mask(d, text)
	if !secrets {
		s.Text, s.Secret = masked, params
	}
	return s
}

// Kind returns the first keyword of a statement in upper case.
func Kind(d Dialect, text string) string {
	l := lexer{d: d, s: text}
	t, ok := l.next()
	for ok && (t.is(l.s, "(") || t.is(l.s, "{")) {
		t, ok = l.next()
	}
	if !ok || t.kind != word {
		return ""
	}
	first := strings.ToUpper(t.text(l.s))
	if first != "WITH" {
		return first
	}
	for depth := 0; ; {
		t, ok = l.next()
		if !ok {
			return first
		}
		switch {
		case t.is(l.s, "("):
			depth++
		case t.is(l.s, ")"):
			depth--
		case t.kind == word && depth == 0:
			switch w := strings.ToUpper(t.text(l.s)); w {
			case "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "VALUES", "TABLE":
				return w
			}
		}
	}
}
