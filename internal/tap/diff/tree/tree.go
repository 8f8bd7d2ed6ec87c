// Package tree reads JSON as a tree of values, also where its end is missing.
package tree

import (
	"encoding/json"
	"strings"
)

// Node is a value of JSON, or of a form, which is taken for an object.
type Node struct {
	// Kind is one of { [ " 0 t n, the first character of such a value.
	Kind byte
	// Text is that of a scalar: of a string without its quotes and escapes.
	Text string
	// Keys are those of an object, in their order and as often as they are there.
	Keys []string
	// Kids are the values of an object or an array.
	Kids []*Node
	// Open reports that the value goes on after what was kept of the text.
	Open bool
	// Hash is the caller's.
	Hash uint64
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

// JSON returns the value that a text is, or nil where it is not one. cut reports
// that the text is the first part of a longer one.
func JSON(s string, cut bool) *Node {
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
func (p *parser) value(depth int) *Node {
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
		return &Node{Kind: '"', Text: s}
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

func (p *parser) scalar(kind byte, n int) *Node {
	x := &Node{Kind: kind, Text: p.s[p.i : p.i+n]}
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
func (p *parser) container(kind, end byte, depth int) *Node {
	x := &Node{Kind: kind}
	open := func() *Node {
		if !p.ended() {
			return nil
		}
		x.Open = true
		if len(x.Keys) > len(x.Kids) {
			x.Keys = x.Keys[:len(x.Kids)]
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
			x.Keys = append(x.Keys, key)
		}
		kid := p.value(depth + 1)
		if kid == nil {
			return open()
		}
		x.Kids = append(x.Kids, kid)
	}
}

// Brief is a value for people, short.
func (n *Node) Brief() string {
	switch n.Kind {
	case '{':
		if len(n.Kids) == 0 {
			return "{}"
		}
		return "{" + strings.Join(n.Keys[:min(len(n.Keys), 5)], ", ") + more(len(n.Keys) > 5) + "}"
	case '[':
		if len(n.Kids) == 0 {
			return "[]"
		}
		return "[" + n.Kids[0].Brief() + more(len(n.Kids) > 1) + "]"
	case '"':
		return `"` + n.Text + `"`
	}
	return n.Text
}

func more(is bool) string {
	if is {
		return ", …"
	}
	return ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// span returns how many bytes at the begin of s are of a kind.
func span(s string, is func(byte) bool) int {
	for i := range len(s) {
		if !is(s[i]) {
			return i
		}
	}
	return len(s)
}
