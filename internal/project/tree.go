package project

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A tree holds a TOML document (https://toml.io/en/v1.0.0) with the order and
// the position of every key and value, which the library's decoder drops. The
// library does the parsing; the rules for what may be defined where, which it
// leaves to its decoder, are here.
type tree struct {
	source
	parser unstable.Parser
	root   *table
}

type table struct {
	made  origin
	keys  []string
	items map[string]*item
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

// item is one key of a table. offset is where the key is written.
type item struct {
	key    string
	offset int
	value  *value
}

// value is a string, a table, an array or some other scalar.
type value struct {
	kind   unstable.Kind
	offset int
	text   string // of a string; else as written
	elems  []*value
	table  *table
	// tables says that the array was made by [[a]].
	tables bool
}

func newTable(made origin) *table { return &table{made: made, items: map[string]*item{}} }

func (t *table) add(it *item) {
	t.keys = append(t.keys, it.key)
	t.items[it.key] = it
}

// part is one part of a dotted key.
type part struct {
	name   string
	offset int
}

// parseTree reads a document. Errors are *Error.
func parseTree(src source) (*tree, error) {
	// The parser computes offsets from capacities, so the slice must end where
	// its text ends.
	src.data = append(make([]byte, 0, len(src.data)), src.data...)
	src.data = src.data[:len(src.data):len(src.data)]
	t := &tree{source: src, root: newTable(headed)}
	t.parser.Reset(src.data)
	current, path := t.root, []part(nil)
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

// syntax returns an error of the library's parser its position.
func (t *tree) syntax(err error) error {
	var pe *unstable.ParserError
	if !errors.As(err, &pe) {
		return fmt.Errorf("read %s: %w", t.path, err)
	}
	offset := t.clamp(cap(t.data) - cap(pe.Highlight))
	message, hint := explainSyntax(pe.Message, t.data, offset)
	return t.fail(offset, strings.Join(pe.Key, "."), message, hint)
}

// parts reads a dotted key.
func (t *tree) parts(it unstable.Iterator) []part {
	var out []part
	for it.Next() {
		n := it.Node()
		out = append(out, part{string(n.Data), int(n.Raw.Offset)})
	}
	return out
}

// header opens the table of [a.b] or, with array set, of [[a.b]].
func (t *tree) header(parts []part, array bool) (*table, error) {
	in := t.root
	for i, p := range parts[:len(parts)-1] {
		it, ok := in.items[p.name]
		switch {
		case !ok:
			next := newTable(implied)
			in.add(&item{p.name, p.offset, &value{kind: unstable.Table, offset: p.offset, table: next}})
			in = next
		case it.value.table != nil && it.value.table.made != inlined:
			in = it.value.table
		case it.value.tables:
			in = it.value.elems[len(it.value.elems)-1].table
		default:
			return nil, t.clash(parts[:i+1], it)
		}
	}
	last := parts[len(parts)-1]
	it, ok := in.items[last.name]
	if array {
		made := newTable(repeated)
		elem := &value{kind: unstable.Table, offset: last.offset, table: made}
		switch {
		case !ok:
			in.add(&item{last.name, last.offset, &value{kind: unstable.Array, offset: last.offset, tables: true, elems: []*value{elem}}})
		case it.value.tables:
			it.value.elems = append(it.value.elems, elem)
		default:
			return nil, t.clash(parts, it)
		}
		return made, nil
	}
	switch {
	case !ok:
		made := newTable(headed)
		in.add(&item{last.name, last.offset, &value{kind: unstable.Table, offset: last.offset, table: made}})
		return made, nil
	case it.value.table != nil && it.value.table.made == implied:
		it.value.table.made = headed
		it.offset, it.value.offset = last.offset, last.offset
		return it.value.table, nil
	}
	return nil, t.clash(parts, it)
}

// keyValue adds a.b = value to a table. path is the table's own name.
func (t *tree) keyValue(in *table, path []part, n *unstable.Node) error {
	parts := t.parts(n.Key())
	full := slices.Concat(path, parts)
	for i, p := range parts[:len(parts)-1] {
		it, ok := in.items[p.name]
		switch {
		case !ok:
			next := newTable(dotted)
			in.add(&item{p.name, p.offset, &value{kind: unstable.Table, offset: p.offset, table: next}})
			in = next
		case it.value.table != nil && it.value.table.made == dotted:
			in = it.value.table
		default:
			return t.clash(full[:len(path)+i+1], it)
		}
	}
	last := parts[len(parts)-1]
	if it, ok := in.items[last.name]; ok {
		return t.clash(full, it)
	}
	v, err := t.value(n.Value(), full, t.valueOffset(n))
	if err != nil {
		return err
	}
	in.add(&item{last.name, last.offset, v})
	return nil
}

// valueOffset finds where the value of a key begins: the parser keeps the
// position of scalars, but not of arrays.
func (t *tree) valueOffset(n *unstable.Node) int {
	var end int
	for it := n.Key(); it.Next(); {
		raw := it.Node().Raw
		end = int(raw.Offset + raw.Length)
	}
	for end < len(t.data) && (t.data[end] == ' ' || t.data[end] == '\t' || t.data[end] == '=') {
		end++
	}
	return end
}

// value copies a value out of the parser. path is its full key; offset is used
// where the parser does not know where the value is.
func (t *tree) value(n *unstable.Node, path []part, offset int) (*value, error) {
	if n.Raw.Length > 0 {
		offset = int(n.Raw.Offset)
	}
	v := &value{kind: n.Kind, offset: offset}
	switch n.Kind {
	case unstable.Array:
		for it := n.Children(); it.Next(); {
			elem, err := t.value(it.Node(), path, offset)
			if err != nil {
				return nil, err
			}
			v.elems = append(v.elems, elem)
		}
	case unstable.InlineTable:
		v.kind, v.table = unstable.Table, newTable(inlined)
		for it := n.Children(); it.Next(); {
			if err := t.keyValue(v.table, path, it.Node()); err != nil {
				return nil, err
			}
		}
	default:
		v.text = string(n.Data)
	}
	return v, nil
}

// clash is the error for a second definition of what first defined.
func (t *tree) clash(parts []part, first *item) error {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	what, hint := "set", "remove one of the two"
	if first.value.table != nil || first.value.tables {
		what = "defined"
		hint = "keep them in one table"
		if len(parts) == 2 && parts[0].name == "services" {
			hint = "two services need two names"
		}
	}
	message := fmt.Sprintf("already %s on line %d", what, t.line(first.offset))
	return t.fail(parts[len(parts)-1].offset, dotKey(names...), message, hint)
}

// dotKey writes a key as TOML does, quoting the parts that need it.
func dotKey(names ...string) string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		bare := n != ""
		for _, r := range n {
			bare = bare && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		}
		if !bare {
			n = ellipsis(n)
		}
		out = append(out, n)
	}
	return strings.Join(out, ".")
}
