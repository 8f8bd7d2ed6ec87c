package query

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Matcher tests rows against a filter. It allocates nothing, and may be used by
// several goroutines at once.
type Matcher struct{ root node }

// Compile prepares an expression for many rows.
func Compile(e Expr) *Matcher { return &Matcher{compile(Simplify(e))} }

// Match reports whether a row is selected.
func (m *Matcher) Match(r Row) bool { return m.root.match(r) }

// node is a node of a compiled tree; one of its parts is used, by kind.
type node struct {
	kind nodeKind
	kids []node
	// Of a term:
	field  int
	typ    Type
	op     Op
	values []Value
}

type nodeKind uint8

const (
	allNode nodeKind = iota
	anyNode
	noneNode // none of kids
	termNode
)

func compile(e Expr) node {
	list := func(kind nodeKind, in []Expr) node {
		n := node{kind: kind, kids: make([]node, len(in))}
		for i, x := range in {
			n.kids[i] = compile(x)
		}
		return n
	}
	switch x := e.(type) {
	case And:
		return list(allNode, x)
	case Or:
		return list(anyNode, x)
	case Not:
		return list(noneNode, []Expr{x.X})
	case *Term:
		return node{kind: termNode, field: x.Field.ID, typ: x.Field.Type, op: x.Op, values: x.Values}
	}
	return node{} // Simplify leaves no others
}

func (n *node) match(r Row) bool {
	switch n.kind {
	case allNode:
		for i := range n.kids {
			if !n.kids[i].match(r) {
				return false
			}
		}
		return true
	case anyNode:
		for i := range n.kids {
			if n.kids[i].match(r) {
				return true
			}
		}
		return false
	case noneNode:
		return !n.kids[0].match(r)
	}
	return n.term(r)
}

// term reports whether one of the row's values is one of the term's.
func (n *node) term(r Row) bool {
	switch n.typ {
	case Text, Choice:
		return n.text(r)
	case Address:
		for i := 0; ; i++ {
			ip, ok := r.Address(n.field, i)
			if !ok {
				return false
			}
			ip = plain(ip)
			for j := range n.values {
				if within(n.values[j].Prefixes, ip) {
					return true
				}
			}
		}
	case Endpoint:
		for i := 0; ; i++ {
			at, any, ok := r.Endpoint(n.field, i)
			if !ok {
				return false
			}
			ip := plain(at.Addr())
			for j := range n.values {
				v := &n.values[j]
				if p := int64(at.Port()); p >= v.Low && p <= v.High && (any || len(v.Prefixes) == 0 || within(v.Prefixes, ip)) {
					return true
				}
			}
		}
	case Pair:
		return n.pair(r)
	}
	for i := 0; ; i++ {
		x, ok := r.Number(n.field, i)
		if !ok {
			return false
		}
		for j := range n.values {
			if n.values[j].holds(n.op, x) {
				return true
			}
		}
	}
}

func (v *Value) holds(op Op, x int64) bool {
	switch op {
	case Lt:
		return x < v.Low
	case Le:
		return x <= v.High
	case Gt:
		return x > v.High
	case Ge:
		return x >= v.Low
	}
	return x >= v.Low && x <= v.High
}

func (n *node) text(r Row) bool {
	for i := 0; ; i++ {
		s, ok := r.Text(n.field, i)
		if !ok {
			return false
		}
		for j := range n.values {
			v := &n.values[j]
			if n.op == Eq && s == v.Text || n.op == Contains && containsFold(s, v.Text) {
				return true
			}
		}
	}
}

func (n *node) pair(r Row) bool {
	for i := 0; ; i++ {
		owner, name, ok := r.Pair(n.field, i)
		if !ok {
			return false
		}
		for j := range n.values {
			v := &n.values[j]
			if n.op == Eq && name == v.Name && (v.Text == "" || owner == v.Text) || n.op == Contains && containsFold(name, v.Name) {
				return true
			}
		}
	}
}

// plain returns an address without its zone, and an IPv4-mapped one as IPv4.
func plain(ip netip.Addr) netip.Addr {
	if ip.Is4() {
		return ip
	}
	return ip.Unmap().WithZone("")
}

func within(prefixes []netip.Prefix, ip netip.Addr) bool {
	for i := range prefixes {
		if prefixes[i].Contains(ip) {
			return true
		}
	}
	return false
}

// containsFold reports whether s contains part, which is in lower case, in any
// case.
func containsFold(s, part string) bool {
	if part == "" {
		return true
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return strings.Contains(strings.ToLower(s), part)
		}
	}
	first := part[0]
	for i := 0; i+len(part) <= len(s); i++ {
		if lower(s[i]) != first {
			continue
		}
		j := 1
		for j < len(part) && lower(s[i+j]) == part[j] {
			j++
		}
		if j == len(part) {
			return true
		}
	}
	return false
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}
