package diff

import (
	"strings"

	"lodge/internal/decode"
	"lodge/internal/tap/diff/forms"
)

// maxGroup bounds the text of a group; a longer one is told apart by its hash.
const maxGroup = 4096

// groupText returns what an exchange asked for, without what identifies one of many, and
// without its method where that is known besides.
func groupText(x *decode.Exchange, m *forms.Masker) string {
	g := x.Group
	if g == "" {
		g = x.Target
	}
	if isStatement(x) {
		return bound(m.Text(g))
	}
	if x.Method != "" && len(g) > len(x.Method) && strings.HasPrefix(g, x.Method) && g[len(x.Method)] == ' ' {
		g = g[len(x.Method)+1:]
	}
	if i := strings.IndexAny(g, "?#"); i >= 0 && (strings.HasPrefix(g, "/") || strings.Contains(g[:i], "://")) {
		g = g[:i]
	}
	return forms.Identifiers(bound(m.Text(g)))
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

// wildcard stands for a word of a group that is volatile.
const wildcard = "{*}"

// rules are groups with a wildcard that were learned: which words of a group differ from
// run to run. They are kept by the rest of the group's key.
type rules struct {
	of      map[string]map[string]bool
	version int
}

// add adds a rule. It reports whether it is new.
func (r *rules) add(prefix, text string) bool {
	list := r.of[prefix]
	if list[text] || len(list) >= maxRules {
		return false
	}
	if list == nil {
		list = make(map[string]bool)
		r.of[prefix] = list
	}
	list[text] = true
	r.version++
	return true
}

const (
	maxRules     = 10_000 // of one server and method
	maxWildcards = 4
	maxWords     = 64
)

// apply returns a group's text with the wildcards that were learned. prefix is the rest
// of the group's key.
func (r *rules) apply(prefix, text string) string {
	list := r.of[prefix]
	if len(list) == 0 {
		return text
	}
	for range maxWildcards {
		next := ""
		eachWildcard(text, func(with string) bool {
			if list[with] {
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
		n := placeholder(text[i:])
		if n == 0 {
			n = forms.Span(text[i:], func(c byte) bool { return forms.IsWord(c) || c == '-' })
		}
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

// placeholder returns the length of what stands for a number or an identifier that a text
// begins with.
func placeholder(s string) int {
	for _, p := range []string{"{n}", "{id}"} {
		if strings.HasPrefix(s, p) {
			return len(p)
		}
	}
	return 0
}

// mayBeMade reports whether a word may be one that a program made: it stands for one
// already, it has a digit, or capitals in its middle.
func mayBeMade(word string) bool {
	if placeholder(word) > 0 {
		return true
	}
	for i := range len(word) {
		if forms.IsDigit(word[i]) || i > 0 && word[i] >= 'A' && word[i] <= 'Z' {
			return true
		}
	}
	return false
}

// learnPlaceholders adds rules for a group of which what stands for identifiers differs from
// run to run: the next one may not look like an identifier. It reports whether that is new.
func (r *rules) learnPlaceholders(g *group) bool {
	parts := []string{""}
	for text := g.text; text != ""; {
		i := strings.IndexByte(text, '{')
		if i < 0 {
			parts[len(parts)-1] += text
			break
		}
		n := placeholder(text[i:])
		parts[len(parts)-1] += text[:i]
		if n == 0 {
			parts[len(parts)-1] += "{"
			text = text[i+1:]
			continue
		}
		parts = append(parts, text[i:i+n], "")
		text = text[i+n:]
	}
	n := len(parts) / 2 // placeholders are at odd indexes
	if n == 0 || n > maxWildcards {
		return false
	}
	learned := false
	for chosen := 1; chosen < 1<<n; chosen++ {
		key := ""
		for i, p := range parts {
			if i%2 == 1 && chosen>>(i/2)&1 == 1 {
				p = wildcard
			}
			key += p
		}
		learned = r.add(g.prefix, key) || learned
	}
	return learned
}

// learn adds a rule for each pair of groups, one only of each side, that differ in one
// word. It reports whether there was one.
func (r *rules) learn(onlyA, onlyB []*group) bool {
	type key struct{ prefix, text string }
	with := make(map[key]bool)
	each := func(list []*group, f func(k key)) {
		for _, g := range list {
			eachWildcard(g.text, func(text string) bool {
				f(key{g.prefix, text})
				return true
			})
		}
	}
	each(onlyA, func(k key) { with[k] = true })
	learned := false
	each(onlyB, func(k key) {
		if with[k] {
			learned = r.add(k.prefix, k.text) || learned
		}
	})
	return learned
}
