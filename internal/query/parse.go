package query

import (
	"fmt"
	"slices"
	"strings"
)

// The bounds of a filter: what is larger is an error.
const (
	MaxLength = 64 << 10 // bytes
	MaxTerms  = 4096
	MaxDepth  = 64 // of parentheses and nots
)

// Parse reads the arguments of a command. Without a term, a keyword or a quote
// in them each is a plain word as it stands, whatever else is in it; so is an
// argument with blanks and none of these. The error is an *Error, or that of
// Schema.Word. nil is no filter.
func Parse(words []string, s *Schema) (Expr, error) {
	p := &parser{schema: s, count: len(words)}
	if err := bounded(words); err != nil {
		return nil, err
	}
	if len(words) == 1 && expression(p.combine(lex(words[0], 1, false))) {
		return ParseText(words[0], s) // errors count its words
	}
	var all []token
	for i, w := range words {
		tokens := lex(w, i+1, false)
		if !expression(p.combine(tokens)) && strings.ContainsAny(w, " \t\r\n") || len(tokens) == 0 {
			tokens = []token{{kind: wordToken, text: w, source: w, at: i + 1}}
		}
		all = append(all, tokens...)
	}
	all = p.combine(all)
	if !expression(all) || len(words) == 1 && isKeyword(words[0]) {
		return p.words(words)
	}
	return p.all(all)
}

// ParseText is Parse of a line in which blanks separate words, as it is typed
// into a prompt.
func ParseText(text string, s *Schema) (Expr, error) {
	if err := bounded([]string{text}); err != nil {
		return nil, err
	}
	words := strings.Fields(text)
	p := &parser{schema: s, count: len(words)}
	all := p.combine(lex(text, 1, true))
	if !expression(all) || len(words) == 1 && isKeyword(words[0]) {
		return p.words(words)
	}
	return p.all(all)
}

func bounded(words []string) error {
	n := 0
	for _, w := range words {
		n += len(w) + 1
	}
	if n > MaxLength+1 {
		return &Error{Text: fmt.Sprintf("read filter: it is longer than %d bytes", MaxLength), Hint: "a range such as 3000-3999, or a prefix such as 10.0.0.0/8, says much in one word"}
	}
	if len(words) > MaxTerms {
		return tooMany()
	}
	return nil
}

func tooMany() error {
	return &Error{Text: fmt.Sprintf("read filter: it has more than %d words", MaxTerms), Hint: "a range such as 3000-3999, or a prefix such as 10.0.0.0/8, says much in one word"}
}

// parser is the state of one Parse.
type parser struct {
	schema *Schema
	tokens []token
	next   int
	depth  int
	terms  int
	count  int // words of the filter
}

// words reads plain words.
func (p *parser) words(words []string) (Expr, error) {
	var g Group
	for _, w := range words {
		terms, err := p.word(token{kind: wordToken, text: w, source: w})
		if err != nil {
			return nil, err
		}
		g = append(g, terms...)
	}
	if len(g) == 0 {
		return nil, nil
	}
	return g, nil
}

func (p *parser) word(t token) ([]*Term, error) {
	if p.terms++; p.terms > MaxTerms {
		return nil, tooMany()
	}
	if p.schema.Word == nil {
		return nil, p.wrong(t, "KEY=VALUE with one of the keys "+strings.Join(p.schema.Keys(), ", "), "it has no key")
	}
	return p.schema.Word(t.text, t.quoted)
}

func (p *parser) all(tokens []token) (Expr, error) {
	p.tokens = tokens
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if t, ok := p.peek(); ok { // only a parenthesis ends an expression early
		return nil, p.wrong(t, `take it away, or write the word in quotes: ")"`, "no parenthesis is open")
	}
	return e, nil
}

func (p *parser) peek() (token, bool) {
	if p.next == len(p.tokens) {
		return token{}, false
	}
	return p.tokens[p.next], true
}

// is reports whether the next token is of a kind, and takes it if so.
func (p *parser) is(kind tokenKind) bool {
	t, ok := p.peek()
	if ok && t.kind == kind {
		p.next++
		return true
	}
	return false
}

func (p *parser) or() (Expr, error) {
	return p.joined(orToken, p.and, func(list []Expr) Expr { return Or(list) })
}

func (p *parser) and() (Expr, error) {
	return p.joined(andToken, p.beside, func(list []Expr) Expr { return And(list) })
}

// joined reads operands with an operator between them. One alone is returned as it
// is.
func (p *parser) joined(operator tokenKind, operand func() (Expr, error), join func([]Expr) Expr) (Expr, error) {
	var list []Expr
	for {
		x, err := operand()
		if err != nil {
			return nil, err
		}
		list = append(list, x)
		if !p.is(operator) {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return join(list), nil
}

// beside reads what stands side by side.
func (p *parser) beside() (Expr, error) {
	var group Group
	var rest []Expr
	for {
		t, ok := p.peek()
		if !ok || t.kind == andToken || t.kind == orToken || t.kind == closeToken {
			if group == nil && rest == nil {
				return nil, p.nothing(t, ok)
			}
			break
		}
		x, err := p.unit()
		if err != nil {
			return nil, err
		}
		if g, ok := x.(Group); ok && t.kind != openToken {
			group = append(group, g...)
		} else {
			rest = append(rest, x)
		}
	}
	switch {
	case rest == nil:
		return group, nil
	case group == nil && len(rest) == 1:
		return rest[0], nil
	case group != nil:
		rest = append([]Expr{group}, rest...)
	}
	return And(rest), nil
}

// nothing is the error of a place where an operand is missing.
func (p *parser) nothing(t token, ok bool) error {
	before := token{}
	if p.next > 0 {
		before = p.tokens[p.next-1]
	}
	if p.next == 0 || before.kind == openToken && ok && t.kind != closeToken {
		return p.wrong(t, fmt.Sprintf("a filter on both sides, or the word in quotes: %q", t.source), "nothing stands before it")
	}
	if before.kind == openToken {
		return p.wrong(before, `a filter between the parentheses, or the word in quotes: "("`, "nothing stands in it")
	}
	return p.wrong(before, fmt.Sprintf("a filter on both sides, or the word in quotes: %q", before.source), "nothing stands behind it")
}

// unit reads a term, a word, a negation or what is in parentheses.
func (p *parser) unit() (Expr, error) {
	t := p.tokens[p.next]
	p.next++
	switch t.kind {
	case openToken, notToken:
		if p.depth++; p.depth > MaxDepth {
			return nil, p.wrong(t, "fewer parentheses", "more than %d are inside each other", MaxDepth)
		}
		defer func() { p.depth-- }()
		if t.kind == openToken {
			x, err := p.or()
			if err == nil && !p.is(closeToken) {
				err = p.wrong(t, `")" at its end, or the word in quotes: "("`, "it is not closed")
			}
			return x, err
		}
		if n, ok := p.peek(); !ok || n.kind == andToken || n.kind == orToken || n.kind == closeToken {
			return nil, p.wrong(t, `a filter behind it, or the word in quotes: "not"`, "nothing stands behind it")
		}
		x, err := p.unit()
		return Not{x}, err
	case wordToken:
		g, err := p.word(t)
		return Group(g), err
	case termToken:
		term, err := p.term(t)
		if err != nil {
			return nil, err
		}
		return Group{term}, nil
	case opToken:
		return nil, p.wrong(t, "KEY"+t.source+", with one of the keys "+strings.Join(p.schema.Keys(), ", "), "no key stands before it")
	}
	return nil, p.wrong(t, "the same quote at its end", "the quote is not closed")
}

// term reads KEY OP VALUES.
func (p *parser) term(t token) (*Term, error) {
	if p.terms += max(1, len(t.values)); p.terms > MaxTerms {
		return nil, tooMany()
	}
	f := p.schema.Field(t.text)
	if f == nil {
		return nil, p.unknown(t)
	}
	if hint := f.refuses(t.op); hint != "" {
		return nil, p.wrong(t, hint, "%s has no %s", f.Name, t.op)
	}
	if len(t.values) == 0 {
		return nil, p.wrong(t, f.Name+t.op.String()+f.example(), "it has no value")
	}
	if len(t.values) > 1 && t.op != Eq && t.op != Ne && t.op != Contains && t.op != NotContains {
		return nil, p.wrong(t, f.Name+t.op.String()+t.values[0].text, "%s takes one value", t.op)
	}
	out := &Term{Field: f, Op: t.op}
	var texts []string
	for _, raw := range t.values {
		vs, err := p.value(f, t, raw)
		if err != nil {
			return nil, err
		}
		out.Values = append(out.Values, vs...)
		texts = append(texts, raw.text)
	}
	out.Text = strings.Join(texts, ",")
	return out, nil
}

// unknown is the error of a key that there is not.
func (p *parser) unknown(t token) error {
	keys := p.schema.Keys()
	hint := "the keys are " + strings.Join(keys, ", ")
	if p.schema.Nearest != nil {
		all := slices.Clone(keys)
		for i := range p.schema.Fields {
			all = append(all, p.schema.Fields[i].Aliases...)
		}
		if n := p.schema.Nearest(t.text, all); n != "" {
			hint = "did you mean " + n + t.after() + "? The keys are " + strings.Join(keys, ", ")
		}
	}
	return p.wrong(t, hint, "there is no key %q; a name with %s in it is written in quotes", clip(t.text), t.op)
}

// refuses returns a hint where a field cannot be compared in a way, else "".
func (f *Field) refuses(op Op) string {
	switch op {
	case Lt, Le, Gt, Ge:
		if !f.Type.ordered() {
			return f.Name + "=" + f.example()
		}
	case Contains, NotContains:
		if !f.Type.textual() {
			return f.Name + "=" + f.example()
		}
	}
	return ""
}

// wrong returns the error of a token in a filter of several words.
func (p *parser) wrong(t token, hint, format string, args ...any) *Error {
	e := &Error{Word: t.text, At: t.at, Hint: hint}
	e.Text = fmt.Sprintf("read %q", clip(t.source))
	if p.count > 1 {
		e.Text += fmt.Sprintf(" (word %d)", t.at)
	}
	e.Text += ": " + fmt.Sprintf(format, args...)
	return e
}
