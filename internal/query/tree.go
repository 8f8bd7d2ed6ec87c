package query

import "strings"

// Expr is a node of a filter's tree: And, Or, Not, Group or *Term. A nil Expr
// matches everything.
type Expr interface {
	// appendText appends the expression in the language's own notation.
	appendText(b []byte) []byte
}

// And matches where all of its expressions do; an empty one matches everything.
type And []Expr

// Or matches where one of its expressions does; an empty one matches nothing.
type Or []Expr

// Not matches where its expression does not.
type Not struct{ X Expr }

// Group is terms that stand side by side, without an operator between: of those
// that ask for the same kind of thing one must match, and that for each kind.
// Simplify writes it as And and Or.
type Group []*Term

// Op is the comparison of a term.
type Op uint8

// The comparisons. A field may have several values, such as the ports of both
// ends: the positive ones hold if one value does, Ne and NotContains if none
// does what Eq and Contains ask.
const (
	Eq Op = iota + 1
	Ne
	Lt
	Le
	Gt
	Ge
	Contains
	NotContains
)

func (op Op) String() string {
	switch op {
	case Eq:
		return "="
	case Ne:
		return "!="
	case Lt:
		return "<"
	case Le:
		return "<="
	case Gt:
		return ">"
	case Ge:
		return ">="
	case Contains:
		return "~"
	case NotContains:
		return "!~"
	}
	return "?"
}

// negated returns the comparison that op is the opposite of, where op is one
// that holds if no value does what another asks.
func (op Op) negated() (Op, bool) {
	switch op {
	case Ne:
		return Eq, true
	case NotContains:
		return Contains, true
	}
	return op, false
}

// widens reports whether terms with this comparison widen those of the same
// kind beside them: each of the others narrows.
func (op Op) widens() bool { return op == Eq || op == Contains }

// Term compares one field with values, of which one is enough. With a
// comparison of order there is one value.
type Term struct {
	Field  *Field
	Op     Op
	Values []Value
	// Text is the source of the values; Bare says that it was a plain word,
	// without a key.
	Text string
	Bare bool
}

func (t *Term) appendText(b []byte) []byte {
	if t.Bare {
		return appendValue(b, t.Text)
	}
	b = append(append(b, t.Field.Name...), t.Op.String()...)
	return appendValue(b, t.Text)
}

// appendValue appends a text, quoted where it would mean something else.
func appendValue(b []byte, s string) []byte {
	if s != "" && !strings.ContainsAny(s, " \t\r\n\"'()\\=<>~!") && !isKeyword(s) {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

func (x And) appendText(b []byte) []byte { return appendList(b, x, " and ") }
func (x Or) appendText(b []byte) []byte  { return appendList(b, x, " or ") }

func (x Not) appendText(b []byte) []byte { return x.X.appendText(append(b, "not "...)) }

func (g Group) appendText(b []byte) []byte {
	b = append(b, '(')
	for i, t := range g {
		if i > 0 {
			b = append(b, ' ')
		}
		b = t.appendText(b)
	}
	return append(b, ')')
}

func appendList(b []byte, list []Expr, sep string) []byte {
	b = append(b, '(')
	for i, x := range list {
		if i > 0 {
			b = append(b, sep...)
		}
		b = x.appendText(b)
	}
	return append(b, ')')
}

// String returns an expression in the language's own notation; "" for nil.
func String(e Expr) string {
	if e == nil {
		return ""
	}
	return string(e.appendText(nil))
}

// Walk calls f with each term of a tree, from left to right. negated says that
// the term stands below an odd number of nots, or has a negative comparison.
func Walk(e Expr, f func(t *Term, negated bool)) { walk(e, false, f) }

func walk(e Expr, negated bool, f func(*Term, bool)) {
	switch x := e.(type) {
	case And:
		for _, y := range x {
			walk(y, negated, f)
		}
	case Or:
		for _, y := range x {
			walk(y, negated, f)
		}
	case Not:
		walk(x.X, !negated, f)
	case Group:
		for _, t := range x {
			walk(t, negated, f)
		}
	case *Term:
		_, opposite := x.Op.negated()
		f(x, negated != opposite)
	}
}

// Replace returns the tree with each term replaced by others that stand side
// by side in its place. The tree that it is given stays as it is.
func Replace(e Expr, f func(*Term) []*Term) Expr {
	list := func(in []Expr) []Expr {
		out := make([]Expr, 0, len(in))
		for _, y := range in {
			out = append(out, Replace(y, f))
		}
		return out
	}
	switch x := e.(type) {
	case And:
		return And(list(x))
	case Or:
		return Or(list(x))
	case Not:
		return Not{Replace(x.X, f)}
	case Group:
		var out Group
		for _, t := range x {
			out = append(out, f(t)...)
		}
		return out
	case *Term:
		return Group(f(x))
	}
	return e
}

// Join returns e with more terms beside it: where e is nothing but terms side by
// side they join these, else both must match.
func Join(e Expr, more ...*Term) Expr {
	if len(more) == 0 {
		return e
	}
	switch x := e.(type) {
	case nil:
		return Group(more)
	case Group:
		return append(x[:len(x):len(x)], more...)
	}
	return And{e, Group(more)}
}

// Simplify returns the tree without groups and negative comparisons: only And,
// Or, Not and terms are left, and no And directly inside an And, for back ends
// that translate it. nil is an empty And.
func Simplify(e Expr) Expr {
	switch x := e.(type) {
	case nil:
		return And{}
	case And:
		var out And
		for _, y := range x {
			s := Simplify(y)
			if and, ok := s.(And); ok {
				out = append(out, and...)
			} else {
				out = append(out, s)
			}
		}
		return one(out)
	case Or:
		out := make(Or, 0, len(x))
		for _, y := range x {
			out = append(out, Simplify(y))
		}
		if len(out) == 1 {
			return out[0]
		}
		return out
	case Not:
		s := Simplify(x.X)
		if n, ok := s.(Not); ok {
			return n.X
		}
		return Not{s}
	case Group:
		return one(x.conjunction())
	case *Term:
		if op, ok := x.Op.negated(); ok {
			t := *x
			t.Op = op
			return Not{&t}
		}
		return x
	}
	return e
}

func one(x And) Expr {
	if len(x) == 1 {
		return x[0]
	}
	return x
}

// conjunction writes a group as what must all match.
func (g Group) conjunction() And {
	var out And
	var kinds []string
	var any []Or
	for _, t := range g {
		if !t.Op.widens() {
			out = append(out, Simplify(t))
			continue
		}
		if g.covered(t.Field.group()) {
			continue
		}
		i := 0
		for i < len(kinds) && kinds[i] != t.Field.group() {
			i++
		}
		if i == len(kinds) {
			kinds, any = append(kinds, t.Field.group()), append(any, nil)
		}
		// Equal comparisons of one field are one term.
		joined := false
		for j, y := range any[i] {
			if o := y.(*Term); o.Field == t.Field && o.Op == t.Op {
				both := *o
				both.Values = append(both.Values[:len(both.Values):len(both.Values)], t.Values...)
				both.Text += "," + t.Text
				any[i][j], joined = &both, true
				break
			}
		}
		if !joined {
			any[i] = append(any[i], t)
		}
	}
	for _, o := range any {
		if len(o) == 1 {
			out = append(out, o[0])
		} else {
			out = append(out, o)
		}
	}
	return out
}

// covered reports whether another term of the group says all that those of a
// kind do: see Field.Covers.
func (g Group) covered(kind string) bool {
	for _, t := range g {
		if t.Op == Eq && t.Field.Covers == kind && t.Field.Covers != "" {
			for _, v := range t.Values {
				if v.Text != "" {
					return true
				}
			}
		}
	}
	return false
}
