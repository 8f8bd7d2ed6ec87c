package watch

import "strings"

// A glob is one pattern as .gitignore writes them (gitignore(5), "PATTERN
// FORMAT"), ready to match. Text is compared as bytes.
type glob struct {
	source string
	// negated patterns ("!x") take back what an earlier one decided.
	negated bool
	// dirOnly patterns ("x/") match directories only.
	dirOnly bool
	// anchored patterns have a slash at the beginning or in the middle and
	// are compared with the whole path; the others with the last element.
	anchored bool
	// literal is the path that the pattern names if it has no wildcard.
	literal   string
	isLiteral bool
	tokens    []token
}

type tokenKind uint8

const (
	oneByte    tokenKind = iota // this byte
	anyByte                     // "?": any byte but a slash
	byteSet                     // "[…]": a byte of the set, never a slash
	star                        // "*": any bytes without a slash
	deepStar                    // "**" at the end: any bytes
	deepPrefix                  // "**/": nothing, or any bytes that end in a slash
)

type token struct {
	kind tokenKind
	b    byte
	set  *[256]bool
}

// parseGlob reads one pattern. It is false for a pattern that can never match
// (an open bracket, a backslash at the end) and for an empty one.
func parseGlob(s string) (glob, bool) {
	g := glob{source: s}
	if rest, ok := strings.CutPrefix(s, "!"); ok {
		g.negated, s = true, rest
	}
	if rest, ok := strings.CutSuffix(s, "/"); ok {
		g.dirOnly, s = true, rest
	}
	if s == "" {
		return g, false
	}
	g.anchored = strings.Contains(s, "/")
	s = strings.TrimPrefix(s, "/")
	var ok bool
	if g.tokens, ok = compile(s); !ok {
		return g, false
	}
	var lit strings.Builder
	for _, t := range g.tokens {
		if t.kind != oneByte {
			return g, true
		}
		lit.WriteByte(t.b)
	}
	g.literal, g.isLiteral = lit.String(), true
	return g, true
}

// compile follows git's wildmatch.c with WM_PATHNAME.
func compile(s string) ([]token, bool) {
	var out []token
	for i := 0; i < len(s); {
		switch s[i] {
		case '\\':
			if i++; i == len(s) {
				return nil, false
			}
			out = append(out, token{kind: oneByte, b: s[i]})
			i++
		case '?':
			out = append(out, token{kind: anyByte})
			i++
		case '[':
			set, next, ok := parseSet(s, i+1)
			if !ok {
				return nil, false
			}
			out = append(out, token{kind: byteSet, set: set})
			i = next
		case '*':
			begin := i
			for i < len(s) && s[i] == '*' {
				i++
			}
			// git compares the part before the first wildcard on its own and
			// so takes "a**/b" for "a" and "**/b" (match_pathname in dir.c).
			atStart := begin == 0 || s[begin-1] == '/' || strings.IndexAny(s, `*?[\`) == begin
			switch {
			case i-begin < 2 || !atStart:
				out = append(out, token{kind: star})
			case i == len(s) || strings.HasPrefix(s[i:], `\/`):
				out = append(out, token{kind: deepStar})
			case s[i] == '/':
				out = append(out, token{kind: deepPrefix})
				i++
			default:
				out = append(out, token{kind: star})
			}
		default:
			out = append(out, token{kind: oneByte, b: s[i]})
			i++
		}
	}
	return out, true
}

// parseSet reads a bracket expression whose "[" is before s[i], and gives the
// index after its "]".
func parseSet(s string, i int) (*[256]bool, int, bool) {
	var set [256]bool
	negated := false
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		negated = true
		i++
	}
	prev := -1 // the byte that may begin a range
	for first := true; ; first = false {
		if i >= len(s) {
			return nil, 0, false
		}
		c := s[i]
		switch {
		case c == ']' && !first:
			if negated {
				for b := range set {
					set[b] = !set[b]
				}
			}
			set['/'] = false
			return &set, i + 1, true
		case c == '-' && prev >= 0 && i+1 < len(s) && s[i+1] != ']':
			i++
			if s[i] == '\\' {
				if i++; i == len(s) {
					return nil, 0, false
				}
			}
			for b := prev; b <= int(s[i]); b++ {
				set[b] = true
			}
			prev = -1
		case c == '[' && i+1 < len(s) && s[i+1] == ':':
			end := strings.IndexByte(s[i+2:], ']')
			if end < 0 {
				return nil, 0, false
			}
			name := s[i+2 : i+2+end]
			if !strings.HasSuffix(name, ":") { // not a class after all
				set['['] = true
				prev = '['
				break
			}
			in := class(strings.TrimSuffix(name, ":"))
			if in == nil {
				return nil, 0, false
			}
			for b := range 128 {
				if in(byte(b)) {
					set[b] = true
				}
			}
			i += 2 + end
			prev = -1
		case c == '\\':
			if i++; i == len(s) {
				return nil, 0, false
			}
			set[s[i]] = true
			prev = int(s[i])
		default:
			set[c] = true
			prev = int(c)
		}
		i++
	}
}

// class returns the test for a POSIX character class in the C locale, or nil.
func class(name string) func(byte) bool {
	lower := func(b byte) bool { return b >= 'a' && b <= 'z' }
	upper := func(b byte) bool { return b >= 'A' && b <= 'Z' }
	digit := func(b byte) bool { return b >= '0' && b <= '9' }
	graph := func(b byte) bool { return b > ' ' && b < 0x7f }
	switch name {
	case "alnum":
		return func(b byte) bool { return lower(b) || upper(b) || digit(b) }
	case "alpha":
		return func(b byte) bool { return lower(b) || upper(b) }
	case "blank":
		return func(b byte) bool { return b == ' ' || b == '\t' }
	case "cntrl":
		return func(b byte) bool { return b < ' ' || b == 0x7f }
	case "digit":
		return digit
	case "graph":
		return graph
	case "lower":
		return lower
	case "print":
		return func(b byte) bool { return b == ' ' || graph(b) }
	case "punct":
		return func(b byte) bool { return graph(b) && !lower(b) && !upper(b) && !digit(b) }
	case "space":
		return func(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' } // git's own isspace
	case "upper":
		return upper
	case "xdigit":
		return func(b byte) bool { return digit(b) || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F' }
	}
	return nil
}

// match compares the pattern with path (relative to the pattern's own
// directory) and nothing above it.
func (g *glob) match(path string, isDir bool) bool {
	if g.dirOnly && !isDir {
		return false
	}
	if !g.anchored {
		path = path[strings.LastIndexByte(path, '/')+1:]
	}
	if g.isLiteral {
		return path == g.literal
	}
	return matchTokens(g.tokens, path)
}

// matchTokens goes back to the last "*", and where that cannot stretch, to the
// last "**": an earlier wildcard never needs to be tried again, since the
// later one can take whatever the earlier would have taken. So the work is
// bounded by a polynomial, whatever the pattern.
func matchTokens(tokens []token, text string) bool {
	i, j := 0, 0
	starAt, starText := -1, 0
	deepAt, deepText := -1, 0
	for {
		if i == len(tokens) {
			if j == len(text) {
				return true
			}
		} else {
			switch t := tokens[i]; t.kind {
			case star:
				starAt, starText = i, j
				i++
				continue
			case deepStar, deepPrefix:
				deepAt, deepText = i, j
				starAt = -1
				i++
				continue
			default:
				if j < len(text) && t.takes(text[j]) {
					i++
					j++
					continue
				}
			}
		}
		if starAt >= 0 && starText < len(text) && text[starText] != '/' {
			starText++
			i, j = starAt+1, starText
			continue
		}
		starAt = -1
		if deepAt < 0 || deepText == len(text) {
			return false
		}
		if tokens[deepAt].kind == deepStar {
			deepText++
		} else {
			slash := strings.IndexByte(text[deepText:], '/')
			if slash < 0 {
				return false
			}
			deepText += slash + 1
		}
		i, j = deepAt+1, deepText
	}
}

func (t *token) takes(b byte) bool {
	switch t.kind {
	case oneByte:
		return b == t.b
	case anyByte:
		return b != '/'
	default:
		return t.set[b]
	}
}
