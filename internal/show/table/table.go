package table

import (
	"io"
	"math"

	"lodge/internal/show"
)

// Column is a column of a table of E.
type Column[E any] struct {
	Title string
	// Cell appends the text.
	Cell func(b []byte, e *E) []byte
	// Least is how narrow the column may become where the terminal is narrow; 0 is
	// not at all.
	Least int
	// Drop orders the columns that are left out where all are as narrow as they can
	// be: the highest first, 0 never.
	Drop int
	// Paint returns the cell's rendition, "" for none.
	Paint func(e *E) show.SGR
}

// Table prints entries in columns. It is made for hundreds of thousands of them: it
// holds none of what it prints.
type Table[E any] struct {
	Columns []Column[E]
	// Width is the terminal's; 0 is no terminal, and nothing is cut.
	Width  int
	Color  bool
	Header bool

	widths []int
}

// Sample is how many entries are looked at to see how wide the columns must be. A
// longer cell beyond them pushes its line out of the columns.
const Sample = 5000

const (
	// widestPadding keeps one long cell from pulling all lines apart, where
	// nothing is cut.
	widestPadding = 60
	// Gap is between two columns.
	Gap = 2
	// flushAt is how much is collected before it is written, in bytes.
	flushAt = 64 << 10
)

// Print writes the table of n entries, which entry returns one at a time, each valid
// until the next.
func (t *Table[E]) Print(w io.Writer, n int, entry func(int) *E) error {
	t.measure(min(n, Sample), entry)
	b := make([]byte, 0, flushAt+8<<10)
	if t.Header {
		b = t.line(b, nil)
	}
	for i := range n {
		b = t.line(b, entry(i))
		if len(b) >= flushAt {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

// measure sets the widths of the columns, and leaves out what has no room.
func (t *Table[E]) measure(n int, entry func(int) *E) {
	limits := make([]Limit, len(t.Columns))
	for i, c := range t.Columns {
		if t.Header {
			limits[i].Want = Width(c.Title)
		}
	}
	var b []byte
	for j := range n {
		e := entry(j)
		for i, c := range t.Columns {
			b = c.Cell(b[:0], e)
			limits[i].Want = max(limits[i].Want, WidthBytes(b))
		}
	}
	room := t.Width + Gap
	if t.Width == 0 {
		room = math.MaxInt
	}
	for i, c := range t.Columns {
		l := &limits[i]
		if t.Width == 0 {
			l.Want = min(l.Want, widestPadding)
		}
		l.Least, l.Drop = c.Least, c.Drop
		if c.Least == 0 {
			l.Least = l.Want
		}
		l.Floor = l.Least
	}
	t.widths = t.widths[:0]
	kept := make([]Column[E], 0, len(t.Columns))
	for i, w := range Share(limits, room, Gap) {
		if w >= 0 {
			kept = append(kept, t.Columns[i])
			t.widths = append(t.widths, w)
		}
	}
	t.Columns = kept
}

// line appends the line of an entry, or the header for nil.
func (t *Table[E]) line(b []byte, e *E) []byte {
	begin := len(b)
	used, want := 0, 0 // columns of the terminal
	for i := range t.Columns {
		c, width := &t.Columns[i], t.widths[i]
		if i > 0 {
			want = max(want, used) + Gap
		}
		for ; used < want; used++ {
			b = append(b, ' ')
		}
		start := len(b)
		if e == nil {
			b = append(b, c.Title...)
		} else {
			b = c.Cell(b, e)
		}
		n := WidthBytes(b[start:])
		if t.Width > 0 {
			if room := min(width, t.Width-used); n > room {
				b, n = cutBytes(b, start, room)
			}
		}
		if t.Color && n > 0 {
			if code := t.paint(c, e); code != "" {
				b = show.PaintFrom(b, start, code)
			}
		}
		used += n
		want += width
		if t.Width > 0 && used >= t.Width {
			break
		}
	}
	for len(b) > begin && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return append(b, '\n')
}

func (t *Table[E]) paint(c *Column[E], e *E) show.SGR {
	switch {
	case e == nil:
		return show.Dim
	case c.Paint == nil:
		return ""
	}
	return c.Paint(e)
}
