package diff

import (
	"encoding/json"
	"strings"
)

// node is a value of JSON, or of a form, which is taken for an object.
type node struct {
	kind byte   // one of { [ " 0 t n
	text string // of a scalar
	keys []string
	kids []*node
	// open reports that the value goes on after what was kept of the body.
	open bool
	hash uint64
}

const (
	maxNodes = 100_000
	maxDepth = 200
)

// parser reads JSON (RFC 8259). Where cut is set, the text may end anywhere.
type parser struct {
	s     string
	i     int
	cut   bool
	nodes int
}

// parseJSON returns the value that a text is, or nil where it is not one. cut reports
// that the text is the first part of a longer one.
func parseJSON(s string, cut bool) *node {
	p := &parser{s: s, cut: cut}
	n := p.value(0)
	p.blanks()
	if n == nil || p.i < len(p.s) {
		return nil
	}
	return n
}

func (p *parser) blanks() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

// ended reports whether the text ends here, as one that is cut may.
func (p *parser) ended() bool { return p.cut && p.i >= len(p.s) }

// value reads a value; nil where there is none.
func (p *parser) value(depth int) *node {
	p.blanks()
	if p.nodes++; p.nodes > maxNodes || depth > maxDepth || p.i >= len(p.s) {
		return nil
	}
	switch c := p.s[p.i]; {
	case c == '{':
		return p.container('{', '}', depth)
	case c == '[':
		return p.container('[', ']', depth)
	case c == '"':
		s, ok := p.str()
		if !ok {
			return nil
		}
		return &node{kind: '"', text: s}
	case c == '-' || isDigit(c):
		n := span(p.s[p.i:], func(c byte) bool { return isDigit(c) || strings.IndexByte("+-.eE", c) >= 0 })
		return p.scalar('0', n)
	case c == 't' || c == 'f':
		if n := p.literal("true", "false"); n > 0 {
			return p.scalar('t', n)
		}
	case c == 'n':
		if n := p.literal("null"); n > 0 {
			return p.scalar('n', n)
		}
	}
	return nil
}

func (p *parser) scalar(kind byte, n int) *node {
	x := &node{kind: kind, text: p.s[p.i : p.i+n]}
	if p.i += n; p.ended() {
		return nil // it may go on
	}
	return x
}

func (p *parser) literal(words ...string) int {
	for _, w := range words {
		if strings.HasPrefix(p.s[p.i:], w) {
			return len(w)
		}
	}
	return 0
}

// str reads a string; false where it does not end.
func (p *parser) str() (string, bool) {
	begin := p.i
	escaped := false
	for p.i++; p.i < len(p.s); p.i++ {
		switch p.s[p.i] {
		case '\\':
			escaped = true
			p.i++
		case '"':
			p.i++
			raw := p.s[begin:p.i]
			if !escaped {
				return raw[1 : len(raw)-1], true
			}
			var out string
			if json.Unmarshal([]byte(raw), &out) != nil {
				out = raw[1 : len(raw)-1]
			}
			return out, true
		}
	}
	p.i = len(p.s)
	return "", false
}

// container reads an object or an array.
func (p *parser) container(kind, end byte, depth int) *node {
	x := &node{kind: kind}
	open := func() *node {
		if !p.ended() {
			return nil
		}
		x.open = true
		if len(x.keys) > len(x.kids) {
			x.keys = x.keys[:len(x.kids)]
		}
		return x
	}
	p.i++
	for first := true; ; first = false {
		p.blanks()
		if p.i >= len(p.s) {
			return open()
		}
		switch c := p.s[p.i]; {
		case c == end:
			p.i++
			return x
		case !first && c != ',':
			return nil
		case !first:
			p.i++
			p.blanks()
		}
		if kind == '{' {
			if p.i >= len(p.s) {
				return open()
			}
			if p.s[p.i] != '"' {
				return nil
			}
			key, ok := p.str()
			if p.blanks(); !ok || p.i >= len(p.s) {
				return open()
			}
			if p.s[p.i] != ':' {
				return nil
			}
			p.i++
			x.keys = append(x.keys, key)
		}
		kid := p.value(depth + 1)
		if kid == nil {
			return open()
		}
		x.kids = append(x.kids, kid)
	}
}

// parseForm returns a form as an object.
func parseForm(s string) *node {
	x := &node{kind: '{'}
	for _, p := range parameters(s) {
		x.keys = append(x.keys, p.Name)
		x.kids = append(x.kids, &node{kind: '"', text: p.Value})
	}
	return x
}

// brief is a value for people, short.
func (n *node) brief() string {
	switch n.kind {
	case '{':
		if len(n.kids) == 0 {
			return "{}"
		}
		return "{" + strings.Join(n.keys[:min(len(n.keys), 5)], ", ") + more(len(n.keys) > 5) + "}"
	case '[':
		if len(n.kids) == 0 {
			return "[]"
		}
		return "[" + n.kids[0].brief() + more(len(n.kids) > 1) + "]"
	case '"':
		return `"` + n.text + `"`
	}
	return n.text
}

func more(is bool) string {
	if is {
		return ", …"
	}
	return ""
}
