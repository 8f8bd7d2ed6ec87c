package diff

import (
	"strings"

	"lodge/internal/decode"
)

// maxGroup bounds the text of a group; a longer one is told apart by its hash.
const maxGroup = 4096

// groupText returns what an exchange asked for, without what identifies one of many, and
// without its method where that is known besides.
func groupText(x *decode.Exchange, m *masker) string {
	g := x.Group
	if g == "" {
		g = x.Target
	}
	if isStatement(x) {
		return bound(m.text(g))
	}
	if x.Method != "" && len(g) > len(x.Method) && strings.HasPrefix(g, x.Method) && g[len(x.Method)] == ' ' {
		g = g[len(x.Method)+1:]
	}
	if i := strings.IndexAny(g, "?#"); i >= 0 && (strings.HasPrefix(g, "/") || strings.Contains(g[:i], "://")) {
		g = g[:i]
	}
	return identifiers(bound(m.text(g)))
}

// isStatement reports whether a target is SQL, whose group is already without its
// literals.
func isStatement(x *decode.Exchange) bool {
	return (x.Protocol == "postgresql" || x.Protocol == "mysql") && strings.ContainsAny(x.Target, " \t\r\n")
}

func bound(s string) string {
	if len(s) <= maxGroup {
		return s
	}
	return s[:maxGroup] + "… " + hexOf(hashOf(s))
}

func hexOf(n uint64) string {
	const digits = "0123456789abcdef"
	var b [16]byte
	for i := range b {
		b[i] = digits[n>>(60-4*i)&15]
	}
	return string(b[:])
}

// identifiers replaces numbers by {n}, and words that look made by a program by {id}.
func identifiers(s string) string {
	if !strings.ContainsAny(s, "0123456789") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if isUUID(s[i:]) && (i == 0 || !isWord(s[i-1])) {
			b.WriteString("{id}")
			i += 36
			continue
		}
		n := span(s[i:], isLetterOrDigit)
		if n == 0 {
			b.WriteByte(s[i])
			i++
			continue
		}
		switch word := s[i : i+n]; {
		case span(word, isDigit) == n:
			b.WriteString("{n}")
		case looksMade(word):
			b.WriteString("{id}")
		default:
			b.WriteString(word)
		}
		i += n
	}
	return b.String()
}

func isLetterOrDigit(c byte) bool { return isWord(c) && c != '_' }

// looksMade reports whether a word is one that nobody would write: hexadecimal digits, or
// many letters and digits mixed.
func looksMade(word string) bool {
	digits, changes := 0, 0
	for i := range len(word) {
		if isDigit(word[i]) {
			digits++
		}
		if i > 0 && isDigit(word[i]) != isDigit(word[i-1]) {
			changes++
		}
	}
	if digits == 0 {
		return false
	}
	return len(word) >= 6 && span(word, isHex) == len(word) || len(word) >= 16 && changes >= 3
}

// wildcard stands for a word of a group that is volatile.
const wildcard = "{*}"

// rules are groups with a wildcard that were learned: which words of a group differ from
// run to run.
type rules map[string]bool

const (
	maxRules     = 10_000
	maxWildcards = 4
	maxWords     = 64
)

// apply returns a group's text with the wildcards that were learned. prefix is the rest
// of the group's key.
func (r rules) apply(prefix, text string) string {
	if len(r) == 0 {
		return text
	}
	for range maxWildcards {
		next := ""
		eachWildcard(text, func(with string) bool {
			if r[prefix+with] {
				next = with
			}
			return next == ""
		})
		if next == "" {
			break
		}
		text = next
	}
	return text
}

// eachWildcard calls f with a text in which one word is a wildcard, for each word that may
// be volatile, until f returns false.
func eachWildcard(text string, f func(with string) bool) {
	words := 0
	for i := 0; i < len(text) && words < maxWords; {
		n := span(text[i:], func(c byte) bool { return isWord(c) || c == '-' })
		if n == 0 {
			i++
			continue
		}
		words++
		if word := text[i : i+n]; mayBeMade(word) && !f(text[:i]+wildcard+text[i+n:]) {
			return
		}
		i += n
	}
}

// mayBeMade reports whether a word may be one that a program made: it has a digit, or
// capitals in its middle.
func mayBeMade(word string) bool {
	for i := range len(word) {
		if isDigit(word[i]) || i > 0 && word[i] >= 'A' && word[i] <= 'Z' {
			return true
		}
	}
	return false
}

// learn adds a rule for each pair of groups, one only of each side, that differ in one
// word. It reports whether there was one.
func (r rules) learn(onlyA, onlyB []*group) bool {
	with := make(map[string]bool)
	each := func(list []*group, f func(key string)) {
		for _, g := range list {
			eachWildcard(g.text, func(text string) bool {
				f(g.prefix + text)
				return true
			})
		}
	}
	each(onlyA, func(key string) { with[key] = true })
	learned := false
	each(onlyB, func(key string) {
		if with[key] && !r[key] && len(r) < maxRules {
			r[key] = true
			learned = true
		}
	})
	return learned
}
