package tui

import (
	"lodge/internal/tui/screen"
	"lodge/internal/tui/view"
)

// tab is the list of one view as it is on the screen: sorted, with a cursor.
type tab struct {
	list    view.List // nil until it is shown
	sorting view.Sorting
	cursor  cursor
	// want are the widths of the content of the columns. A column that was wider
	// once stays so until forgetWidths: text that moves cannot be read.
	want []int
}

// show makes the tab one of another list. The cursor stays with its item.
func (t *tab) show(l view.List) {
	t.list = l
	t.sort()
}

func (t *tab) sort() {
	t.list.Sort(t.sorting)
	t.cursor.follow(t.list)
}

// key moves the cursor or sorts the list. It reports whether k is a key that does;
// rows is the number of items on the screen.
func (t *tab) key(k string, rows int) bool {
	c, page := &t.cursor, max(rows-1, 1)
	switch k {
	case "up", "k", "ctrl+p":
		c.move(t.list, c.index-1)
	case "down", "j", "ctrl+n":
		c.move(t.list, c.index+1)
	case "pgup", "ctrl+b":
		c.move(t.list, c.index-page)
	case "pgdown", "ctrl+f":
		c.move(t.list, c.index+page)
	case "home", "g":
		c.move(t.list, 0)
	case "end", "G":
		c.move(t.list, t.list.Len()-1)
	case "s":
		t.sortBy(t.sorting.By + 1)
	case "S":
		t.sortBy(t.sorting.By - 1)
	case "r":
		t.sorting.Reverse = !t.sorting.Reverse
		t.sort()
	default:
		return false
	}
	return true
}

// sortBy sorts by an ordering. The one before the first is the last, and the other way round.
func (t *tab) sortBy(i int) {
	n := t.list.Orderings()
	t.sorting = view.Sorting{By: (i + n) % n}
	t.sort()
}

// selected returns what the selected item is about; false if there is no item. From
// then on the cursor stays with the item.
func (t *tab) selected() (view.Subject, bool) {
	if t.list.Len() == 0 {
		return view.Subject{}, false
	}
	t.cursor.move(t.list, t.cursor.index)
	return t.list.Subject(t.cursor.index), true
}

// lines returns the titles and the items that fit.
func (t *tab) lines(rows, width int, r *view.Render) []screen.Line {
	n, c := t.list.Len(), &t.cursor
	c.scroll(n, rows)
	if t.want == nil {
		t.want = make([]int, len(t.list.Columns()))
	}
	items := make([][]screen.Span, 0, rows)
	for i := c.top; i < min(c.top+rows, n); i++ {
		cells := t.list.Cells(i, r)
		view.Widen(t.want, cells)
		items = append(items, cells)
	}
	y := view.NewLayout(t.list.Columns(), t.want, width, r.ASCII)
	out := []screen.Line{y.Titles(t.list, t.sorting)}
	for i, cells := range items {
		if c.top+i == c.index {
			out = append(out, y.Selected(cells, width))
		} else {
			out = append(out, y.Item(cells))
		}
	}
	return out
}
