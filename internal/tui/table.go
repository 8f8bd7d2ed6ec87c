package tui

import (
	"slices"
	"strings"

	"lodge/internal/show"
	"lodge/internal/show/table"
)

// listRows is how many items of the list fit.
func (u *ui) listRows() int {
	n := u.height - 4 // head, tabs, titles, foot
	if u.unknownLine() != nil {
		n--
	}
	return max(n, 1)
}

// listLines shows the list: the titles and the items that fit.
func (u *ui) listLines() []line {
	v, c := u.view(u.at), &u.cursors[u.at]
	if v.len() == 0 {
		return []line{nil, text(spaces(gap)+u.emptyText(v), plain)}
	}
	rows := u.listRows()
	c.scroll(v.len(), rows)
	r := u.render()
	items := make([][]span, 0, rows)
	for i := c.top; i < min(c.top+rows, v.len()); i++ {
		items = append(items, v.cellsAt(i, r))
	}
	cols := v.columns()
	w := fit(cols, u.wanted(cols, items), u.width)
	out := []line{u.titleLine(v, w)}
	for i, cells := range items {
		out = append(out, u.itemLine(cols, cells, w, c.top+i == c.index))
	}
	return out
}

func (u *ui) render() *render {
	r := &render{ascii: u.opt.ASCII}
	if u.frame != nil {
		r.now = u.frame.Time
	}
	return r
}

func (u *ui) emptyText(v view) string {
	switch {
	case u.frame == nil:
		return "reading ..."
	case u.filter.text != "":
		return "nothing matches the filter " + show.Clean(u.filter.text, u.opt.ASCII) + " (esc takes it away)"
	}
	return v.empty()
}

// wanted is how wide the columns' content is. A column that once was wider
// stays so until the list is another one: text that jumps cannot be read.
func (u *ui) wanted(cols []column, items [][]span) []int {
	w := u.widths[u.at]
	if w == nil {
		w = make([]int, len(cols))
	}
	for _, cells := range items {
		for k := range cells {
			w[k] = max(w[k], table.Width(cells[k].text))
		}
	}
	u.widths[u.at] = w
	return w
}

func (u *ui) titleLine(v view, w []int) line {
	s := u.sorts[u.at]
	_, marks, down := v.order(s.order)
	l := line{{spaces(gap), plain}}
	for k, c := range v.columns() {
		if w[k] == 0 {
			continue
		}
		title := c.title
		if slices.Contains(marks, title) {
			// The mark fits: every column is a gap away from the next.
			sign := "^"
			if down != s.reverse {
				sign = "v"
			}
			if c.right {
				l[len(l)-1].text = strings.TrimSuffix(l[len(l)-1].text, " ")
				l = append(l, span{table.Fit(sign+title, w[k]+1, true, true), bold}, span{spaces(gap), plain})
			} else {
				l = append(l, span{table.Fit(title+sign, w[k]+1, false, true), bold}, span{spaces(gap - 1), plain})
			}
			continue
		}
		l = append(l, span{table.Fit(title, w[k], c.right, true), bold}, span{spaces(gap), plain})
	}
	return l
}

func (u *ui) itemLine(cols []column, cells []span, w []int, selected bool) line {
	mark := spaces(gap)
	if selected {
		mark = ">" + spaces(gap-1)
	}
	l := line{{mark, plain}}
	for k, c := range cols {
		if w[k] == 0 {
			continue
		}
		text := cells[k].text
		if c.tail {
			text = table.CutFront(text, w[k], u.opt.ASCII)
		}
		l = append(l, span{table.Fit(text, w[k], c.right, u.opt.ASCII), cells[k].style}, span{spaces(gap), plain})
	}
	if !selected {
		return l
	}
	// The selected line is one bar across the screen, legible without colour.
	return line{{table.Fit(strings.TrimRight(l.String(), " "), u.width, false, u.opt.ASCII), reverse}}
}
