package syntax

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Tree holds a TOML document (https://toml.io/en/v1.0.0) with the order and
// the position of every key and value, which the library's decoder drops. The
// library does the parsing; the rules for what may be defined where, which it
// leaves to its decoder, are here.
type Tree struct {
	Source
	parser unstable.Parser
	Root   *Table
}

// Table is a table of the document.
type Table struct {
	made  origin
	Keys  []string // in the order of the file
	Items map[string]*Item
}

// origin is how a table came into being, which decides who may add to it.
type origin int

const (
	implied  origin = iota // by [a.b], for a
	headed                 // by [a]
	dotted                 // by a.b = 1, for a
	inlined                // by a = { … }
	repeated               // by [[a]]
)

// Item is one key of a table. Offset is where the key is written.
type Item struct {
	Key    string
	Offset int
	Value  *Value
}

// Value is a string, a table, an array or some other scalar.
type Value struct {
	Kind   unstable.Kind
	Offset int
	Text   string // of a string; else as written
	Elems  []*Value
	Table  *Table
	// Tables reports that the array was made by [[a]].
	Tables bool
}

func newTable(made origin) *Table { return &Table{made: made, Items: map[string]*Item{}} }

func (t *Table) add(it *Item) {
	t.Keys = append(t.Keys, it.Key)
	t.Items[it.Key] = it
}

// part is one part of a dotted key.
type part struct {
	name   string
	offset int
}

// ParseTree reads a document. Errors are *Error.
func ParseTree(src Source) (*Tree, error) {
	// The parser computes offsets from capacities, so the slice must end where
	// its text ends.
	src.Data = append(make([]byte, 0, len(src.Data)), src.Data...)
	src.Data = src.Data[:len(src.Data):len(src.Data)]
	t := &Tree{Source: src, Root: newTable(headed)}
	t.parser.Reset(src.Data)
	current, path := t.Root, []part(nil)
	for t.parser.NextExpression() {
		n := t.parser.Expression()
		var err error
		switch n.Kind {
		case unstable.Table:
			path = t.parts(n.Key())
			current, err = t.header(path, false)
		case unstable.ArrayTable:
			path = t.parts(n.Key())
			current, err = t.header(path, true)
		case unstable.KeyValue:
			err = t.keyValue(current, path, n)
		default:
			err = fmt.Errorf("read %s: unexpected %s", src.path, n.Kind)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := t.parser.Error(); err != nil {
		return nil, t.syntax(err)
	}
	return t, nil
}

// syntax returns an error of the library's parser with its position.
func (t *Tree) syntax(err error) error {
	var pe *unstable.ParserError
	if !errors.As(err, &pe) {
		return fmt.Errorf("read %s: %w", t.path, err)
	}
	offset := t.clamp(cap(t.Data) - cap(pe.Highlight))
	message, hint := explainSyntax(pe.Message, t.Data, offset)
	return t.Fail(offset, strings.Join(pe.Key, "."), message, hint)
}

// parts reads a dotted key.
func (t *Tree) parts(it unstable.Iterator) []part {
	var out []part
	for it.Next() {
		n := it.Node()
		out = append(out, part{string(n.Data), int(n.Raw.Offset)})
	}
	return out
}

// header opens the table of [a.b] or, with array set, of [[a.b]].
func (t *Tree) header(parts []part, array bool) (*Table, error) {
	in := t.Root
	for i, p := range parts[:len(parts)-1] {
		it, ok := in.Items[p.name]
		switch {
		case !ok:
			next := newTable(implied)
			in.add(&Item{p.name, p.offset, &Value{Kind: unstable.Table, Offset: p.offset, Table: next}})
			in = next
		case it.Value.Table != nil && it.Value.Table.made != inlined:
			in = it.Value.Table
		case it.Value.Tables:
			in = it.Value.Elems[len(it.Value.Elems)-1].Table
		default:
			return nil, t.clash(parts[:i+1], it)
		}
	}
	last := parts[len(parts)-1]
	it, ok := in.Items[last.name]
	if array {
		made := newTable(repeated)
		elem := &Value{Kind: unstable.Table, Offset: last.offset, Table: made}
		switch {
		case !ok:
			in.add(&Item{last.name, last.offset, &Value{Kind: unstable.Array, Offset: last.offset, Tables: true, Elems: []*Value{elem}}})
		case it.Value.Tables:
			it.Value.Elems = append(it.Value.Elems, elem)
		default:
			return nil, t.clash(parts, it)
		}
		return made, nil
	}
	switch {
	case !ok:
		made := newTable(headed)
		in.add(&Item{last.name, last.offset, &Value{Kind: unstable.Table, Offset: last.offset, Table: made}})
		return made, nil
	case it.Value.Table != nil && it.Value.Table.made == implied:
		it.Value.Table.made = headed
		it.Offset, it.Value.Offset = last.offset, last.offset
		return it.Value.Table, nil
	}
	return nil, t.clash(parts, it)
}

// keyValue adds a.b = value to a table. path is the table's own name.
func (t *Tree) keyValue(in *Table, path []part, n *unstable.Node) error {
	parts := t.parts(n.Key())
	full := slices.Concat(path, parts)
	for i, p := range parts[:len(parts)-1] {
		it, ok := in.Items[p.name]
		switch {
		case !ok:
			next := newTable(dotted)
			in.add(&Item{p.name, p.offset, &Value{Kind: unstable.Table, Offset: p.offset, Table: next}})
			in = next
		case it.Value.Table != nil && it.Value.Table.made == dotted:
			in = it.Value.Table
		default:
			return t.clash(full[:len(path)+i+1], it)
		}
	}
	last := parts[len(parts)-1]
	if it, ok := in.Items[last.name]; ok {
		return t.clash(full, it)
	}
	v, err := t.value(n.Value(), full, t.valueOffset(n))
	if err != nil {
		return err
	}
	in.add(&Item{last.name, last.offset, v})
	return nil
}

// valueOffset finds where the value of a key begins: the parser keeps the
// position of scalars, but not of arrays.
func (t *Tree) valueOffset(n *unstable.Node) int {
	var end int
	for it := n.Key(); it.Next(); {
		raw := it.Node().Raw
		end = int(raw.Offset + raw.Length)
	}
	for end < len(t.Data) && (t.Data[end] == ' ' || t.Data[end] == '\t' || t.Data[end] == '=') {
		end++
	}
	return end
}

// value copies a value out of the parser. path is its full key; offset is used
// where the parser does not know where the value is.
func (t *Tree) value(n *unstable.Node, path []part, offset int) (*Value, error) {
	if n.Raw.Length > 0 {
		offset = int(n.Raw.Offset)
	}
	v := &Value{Kind: n.Kind, Offset: offset}
	switch n.Kind {
	case unstable.Array:
		for it := n.Children(); it.Next(); {
			elem, err := t.value(it.Node(), path, offset)
			if err != nil {
				return nil, err
			}
			v.Elems = append(v.Elems, elem)
		}
	case unstable.InlineTable:
		v.Kind, v.Table = unstable.Table, newTable(inlined)
		for it := n.Children(); it.Next(); {
			if err := t.keyValue(v.Table, path, it.Node()); err != nil {
				return nil, err
			}
		}
	default:
		v.Text = string(n.Data)
	}
	return v, nil
}

// clash is the error for a second definition of what first defined.
func (t *Tree) clash(parts []part, first *Item) error {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	what, hint := "set", "remove one of the two"
	if first.Value.Table != nil || first.Value.Tables {
		what = "defined"
		hint = "keep them in one table"
		if len(parts) == 2 && parts[0].name == "services" {
			hint = "two services need two names"
		}
	}
	message := fmt.Sprintf("already %s on line %d", what, t.Line(first.Offset))
	return t.Fail(parts[len(parts)-1].offset, DotKey(names...), message, hint)
}

// DotKey writes a key as TOML does, quoting the parts that need it.
func DotKey(names ...string) string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		bare := n != ""
		for _, r := range n {
			bare = bare && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		}
		if !bare {
			n = Ellipsis(n)
		}
		out = append(out, n)
	}
	return strings.Join(out, ".")
}
