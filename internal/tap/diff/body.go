package diff

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/tap/diff/forms"
	"lodge/internal/tap/diff/tree"
)

// body is a body as it is compared: a tree where it is JSON or a form, lines where it is
// text, else bytes.
type body struct {
	v     *viewer
	part  Part
	tree  *tree.Node
	lines []string
	raw   []string // the lines as they were
	bytes []byte
	cut   bool // it goes on after what was kept
}

// body reads a body.
func (v *viewer) body(p Part, m *decode.Message) *body {
	b := &body{v: v, part: p, cut: m.Truncated || m.Incomplete}
	contentType := ""
	for _, h := range m.Header {
		if strings.EqualFold(h.Name, "content-type") {
			contentType = h.Value
		}
	}
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	first := bytes.TrimLeft(m.Body, " \t\r\n")
	switch {
	case strings.Contains(media, "json") || len(first) > 0 && (first[0] == '{' || first[0] == '['):
		b.tree = tree.JSON(string(m.Body), b.cut)
	case media == "application/x-www-form-urlencoded" && !b.cut:
		b.tree = formTree(strings.TrimSpace(string(m.Body)))
	}
	if b.tree != nil {
		return b
	}
	if !isText(m.Body, b.cut) {
		b.bytes = m.Body
		return b
	}
	text := string(m.Body)
	if x := boundary(contentType); x != "" {
		text = strings.ReplaceAll(text, x, "{boundary}")
	}
	for line := range strings.Lines(text) {
		if b.cut && !strings.HasSuffix(line, "\n") && len(b.lines) > 0 {
			break // it may go on
		}
		line = strings.TrimRight(line, "\r\n")
		b.raw = append(b.raw, line)
		b.lines = append(b.lines, v.marks.line(v.group, p, v.mask.Text(line)))
	}
	return b
}

// formTree returns a form as an object.
func formTree(s string) *tree.Node {
	x := &tree.Node{Kind: '{'}
	for _, p := range parameters(s) {
		x.Keys = append(x.Keys, p.Name)
		x.Kids = append(x.Kids, &tree.Node{Kind: '"', Text: p.Value})
	}
	return x
}

// isText reports whether a body is text; a character may be cut at its end.
func isText(b []byte, cut bool) bool {
	if cut {
		for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
			if c := b[len(b)-i]; utf8.RuneStart(c) {
				if !utf8.FullRune(b[len(b)-i:]) {
					b = b[:len(b)-i]
				}
				break
			}
		}
	}
	return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0
}

// hash returns a number that is equal for bodies that do not differ, and calls leaf for
// each of their values.
func (b *body) hash(leaf func(uint64)) uint64 {
	switch {
	case b.tree != nil:
		return b.hashTree(b.tree, "", leaf)
	case b.bytes != nil:
		h := hashOf(string(b.bytes))
		leaf(h)
		return h
	}
	list := make([]uint64, len(b.lines))
	for i, l := range b.lines {
		list[i] = hashOf(l)
		leaf(list[i])
	}
	if b.v.marks.level(b.v.group, b.part, linesName) >= markOrder {
		return sum(list)
	}
	return join(list...)
}

// linesName is the name of the lines of a text, for the mark that their order is volatile.
const linesName = "lines"

func sum(list []uint64) (h uint64) {
	for _, n := range list {
		h += mix(n)
	}
	return mix(h + uint64(len(list)))
}

// hashTree sets the hashes of a tree. path is where it stands, with [] for indexes.
func (b *body) hashTree(n *tree.Node, path string, leaf func(uint64)) uint64 {
	level := b.v.marks.level(b.v.group, b.part, path)
	switch n.Kind {
	case '{':
		var list []uint64
		for i, kid := range n.Kids {
			p := pathKey(path, n.Keys[i])
			if b.v.marks.level(b.v.group, b.part, p) >= markPresence {
				continue
			}
			list = append(list, hashOf(n.Keys[i], hexOf(b.hashTree(kid, p, leaf))))
		}
		n.Hash = join('{', sum(list))
	case '[':
		list := make([]uint64, len(n.Kids))
		for i, kid := range n.Kids {
			list[i] = b.hashTree(kid, path+"[]", leaf)
		}
		switch {
		case level >= markLength:
			n.Hash = '['
		case level >= markOrder:
			n.Hash = join('[', sum(list))
		default:
			n.Hash = join('[', join(list...))
		}
	default:
		n.Hash = hashOf(string(n.Kind), b.value(n, path))
		leaf(hashOf(path, hexOf(n.Hash)))
	}
	return n.Hash
}

// value is what is compared of a scalar.
func (b *body) value(n *tree.Node, path string) string {
	if b.v.marks.level(b.v.group, b.part, path) >= markValue || isVolatileName(path[strings.LastIndexByte(path, '.')+1:]) {
		return volatileValue
	}
	return b.v.mask.Text(n.Text)
}

// pathKey is the path of a key. Keys that identify one of many are the same.
func pathKey(path, key string) string {
	if as := forms.Identifiers(key); as != key {
		key = as
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// compare calls f for each difference of two bodies of one part.
func (b *body) compare(o *body, f func(change)) {
	switch {
	case b.tree != nil && o.tree != nil:
		none := func(uint64) {}
		b.hashTree(b.tree, "", none)
		o.hashTree(o.tree, "", none)
		b.compareTrees(o, b.tree, o.tree, "", "", f)
	case b.lines != nil && o.lines != nil:
		b.compareLines(o, f)
	case b.bytes != nil && o.bytes != nil:
		n := min(len(b.bytes), len(o.bytes))
		if b.cut && o.cut && bytes.Equal(b.bytes[:n], o.bytes[:n]) || bytes.Equal(b.bytes, o.bytes) {
			return
		}
		f(change{part: b.part, what: whatValue, old: describeBytes(b.bytes), new: describeBytes(o.bytes)})
	case b.kind() != o.kind():
		f(change{part: b.part, what: whatType, old: b.kind(), new: o.kind()})
	}
}

func describeBytes(b []byte) string {
	return strconv.Itoa(len(b)) + " bytes, hash " + checksum(b)
}

func (b *body) kind() string {
	switch {
	case b.tree != nil:
		return "JSON or a form"
	case b.bytes != nil:
		return "binary"
	}
	return "text"
}

func (b *body) compareTrees(o *body, x, y *tree.Node, path, at string, f func(change)) {
	if x.Hash == y.Hash && x.Open == y.Open {
		return
	}
	level := b.v.marks.level(b.v.group, b.part, path)
	if level >= markPresence {
		return
	}
	c := change{part: b.part, name: path, at: at, old: x.Brief(), new: y.Brief()}
	switch {
	case x.Kind != y.Kind:
		c.what = whatType
		f(c)
	case x.Kind == '{':
		b.compareObjects(o, x, y, path, at, f)
	case x.Kind == '[':
		if level < markLength {
			b.compareArrays(o, x, y, path, at, level, f)
		}
	case b.value(x, path) != o.value(y, path):
		c.what = whatValue
		f(c)
	}
}

func (b *body) compareObjects(o *body, x, y *tree.Node, path, at string, f func(change)) {
	// A key may stand there more than once: the n-th is compared with the n-th.
	type place struct {
		key string
		n   int
	}
	index := func(n *tree.Node) (list []place, kids map[place]*tree.Node) {
		kids = make(map[place]*tree.Node, len(n.Kids))
		count := make(map[string]int, len(n.Kids))
		for i, k := range n.Keys {
			p := place{k, count[k]}
			count[k]++
			list, kids[p] = append(list, p), n.Kids[i]
		}
		return list, kids
	}
	xs, inX := index(x)
	ys, inY := index(y)
	missing := func(p place, kid *tree.Node, what what) {
		c := change{part: b.part, name: pathKey(path, p.key), at: atKey(at, p.key), what: what}
		if what == whatRemoved {
			c.old = kid.Brief()
		} else {
			c.new = kid.Brief()
		}
		if b.v.marks.level(b.v.group, b.part, c.name) < markPresence {
			f(c)
		}
	}
	for _, p := range xs {
		if kid := inY[p]; kid != nil {
			b.compareTrees(o, inX[p], kid, pathKey(path, p.key), atKey(at, p.key), f)
		} else if !y.Open {
			missing(p, inX[p], whatRemoved)
		}
	}
	for _, p := range ys {
		if inX[p] == nil && !x.Open {
			missing(p, inY[p], whatAdded)
		}
	}
}

func atKey(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

func (b *body) compareArrays(o *body, x, y *tree.Node, path, at string, level level, f func(change)) {
	xs, ys := x.Kids, y.Kids
	whole := !x.Open && !y.Open
	if whole && len(xs) == len(ys) && level < markOrder && sameSet(xs, ys) {
		f(change{part: b.part, name: path, at: at, what: whatOrder})
		return
	}
	if level >= markOrder {
		xs, ys = withoutCommon(xs, ys)
	}
	if whole && len(x.Kids) != len(y.Kids) {
		f(change{part: b.part, name: path, at: at, what: whatLength, old: strconv.Itoa(len(x.Kids)), new: strconv.Itoa(len(y.Kids))})
		return
	}
	for i := range min(len(xs), len(ys)) {
		b.compareTrees(o, xs[i], ys[i], path+"[]", at+"["+strconv.Itoa(i)+"]", f)
	}
}

func sameSet(xs, ys []*tree.Node) bool {
	hashes := func(list []*tree.Node) []uint64 {
		out := make([]uint64, len(list))
		for i, n := range list {
			out[i] = n.Hash
		}
		return out
	}
	return sum(hashes(xs)) == sum(hashes(ys))
}

// withoutCommon returns two lists without the nodes that are in both.
func withoutCommon(xs, ys []*tree.Node) (a, b []*tree.Node) {
	count := make(map[uint64]int)
	for _, n := range ys {
		count[n.Hash]++
	}
	for _, n := range xs {
		if count[n.Hash] > 0 {
			count[n.Hash]--
		} else {
			a = append(a, n)
		}
	}
	for _, n := range slices.Backward(ys) {
		if count[n.Hash] > 0 {
			count[n.Hash]--
			b = append(b, n)
		}
	}
	slices.Reverse(b)
	return a, b
}

// maxLineChanges bounds the changes that are told of one text.
const maxLineChanges = 100

func (b *body) compareLines(o *body, f func(change)) {
	x, y := b.lines, o.lines
	if b.cut || o.cut {
		n := min(len(x), len(y))
		x, y = x[:n], y[:n]
	}
	if b.v.marks.level(b.v.group, b.part, linesName) >= markOrder {
		x, y = slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))
	}
	from := 0
	for from < len(x) && from < len(y) && x[from] == y[from] {
		from++
	}
	endX, endY := len(x), len(y)
	for endX > from && endY > from && x[endX-1] == y[endY-1] {
		endX--
		endY--
	}
	if from == endX && from == endY {
		return
	}
	if len(x) == len(y) && slices.Equal(slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))) {
		f(change{part: b.part, name: linesName, what: whatOrder})
		return
	}
	ordered := b.v.marks.level(b.v.group, b.part, linesName) < markOrder
	show := func(lines, raw []string, i int) string {
		if ordered {
			return raw[i]
		}
		return lines[i]
	}
	if endX-from == endY-from {
		n := 0
		for i := from; i < endX && n < maxLineChanges; i++ {
			if x[i] != y[i] {
				n++
				f(change{part: b.part, at: "line " + strconv.Itoa(i+1), what: whatLine, old: show(x, b.raw, i), new: show(y, o.raw, i), x: x[i], y: y[i]})
			}
		}
		return
	}
	c := change{part: b.part, what: whatText, removed: endX - from, added: endY - from}
	if from < endX {
		c.old = show(x, b.raw, from)
	}
	if from < endY {
		c.new = show(y, o.raw, from)
	}
	f(c)
}
