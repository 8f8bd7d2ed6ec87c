package view

import (
	"slices"
	"strings"

	"lodge/internal/show/table"
	"lodge/internal/tui/screen"
)

// Column is one column of a list.
type Column struct {
	Title string
	// least is the smallest width at which it is of use, and most the largest
	// that it takes, both in cells.
	least, most int
	// drop orders the columns that are left out if there is no room: the highest
	// first. A column with zero is never left out.
	drop  int
	right bool // aligned
	// tail keeps the end of a cell that is too long: the port of an address.
	tail bool
}

// Gap is the number of cells between two columns, and before the first, where the
// selected line has its mark.
const Gap = 2

// fit returns the width of each column in cells, zero for one that is left out. want
// are the widths of their content, and room is that of the screen.
func fit(cols []Column, want []int, room int) []int {
	limits := make([]table.Limit, len(cols))
	for i, c := range cols {
		floor := table.Width(c.Title)
		l := table.Limit{Want: -1, Least: max(c.least, floor), Floor: floor, Drop: c.drop}
		if want[i] > 0 || c.drop == 0 { // else it has no content
			l.Want = max(min(want[i], c.most), floor, c.least)
		}
		limits[i] = l
	}
	w := table.Share(limits, room, Gap)
	for i := range w {
		w[i] = max(w[i], 0)
	}
	return w
}

// Layout is how the columns of a list stand on the screen.
type Layout struct {
	cols   []Column
	widths []int // in cells; zero for a column that is left out
	ascii  bool
}

// NewLayout returns the layout of columns whose content is want cells wide each, on a screen that is width cells
// wide.
func NewLayout(cols []Column, want []int, width int, ascii bool) Layout {
	return Layout{cols: cols, widths: fit(cols, want, width), ascii: ascii}
}

// NewWideLayout returns the layout for output without a width: every cell is whole, and a column without content is
// left out.
func NewWideLayout(cols []Column, want []int, ascii bool) Layout {
	cols = slices.Clone(cols)
	for k := range cols {
		cols[k].most = max(want[k], cols[k].least)
	}
	return NewLayout(cols, want, 1<<20, ascii)
}

// Titles returns the line of titles of the list v, with a mark at those that it is sorted by.
func (y Layout) Titles(v List, by Sorting) screen.Line {
	_, marks, down := v.Ordering(by.By)
	l := screen.Line{screen.Plain.Span(screen.Spaces(Gap))}
	for k, c := range y.cols {
		w := y.widths[k]
		if w == 0 {
			continue
		}
		title := c.Title
		if slices.Contains(marks, title) {
			// The mark fits: every column is a gap away from the next.
			sign := "^"
			if down != by.Reverse {
				sign = "v"
			}
			if c.right {
				l[len(l)-1].Text = strings.TrimSuffix(l[len(l)-1].Text, " ")
				l = append(l, screen.Bold.Span(table.Fit(sign+title, w+1, true, true)), screen.Plain.Span(screen.Spaces(Gap)))
			} else {
				l = append(l, screen.Bold.Span(table.Fit(title+sign, w+1, false, true)), screen.Plain.Span(screen.Spaces(Gap-1)))
			}
			continue
		}
		l = append(l, screen.Bold.Span(table.Fit(title, w, c.right, true)), screen.Plain.Span(screen.Spaces(Gap)))
	}
	return l
}

// Item returns the line of an item.
func (y Layout) Item(cells []screen.Span) screen.Line {
	return y.cells(screen.Spaces(Gap), cells)
}

// Selected returns the line of the selected item: one bar over the width of the screen, legible without colour.
func (y Layout) Selected(cells []screen.Span, width int) screen.Line {
	l := y.cells(">"+screen.Spaces(Gap-1), cells)
	return screen.Reverse.Line(table.Fit(strings.TrimRight(l.String(), " "), width, false, y.ascii))
}

func (y Layout) cells(begin string, cells []screen.Span) screen.Line {
	l := screen.Plain.Line(begin)
	for k, c := range y.cols {
		if y.widths[k] == 0 {
			continue
		}
		text := cells[k].Text
		if c.tail {
			text = table.CutFront(text, y.widths[k], y.ascii)
		}
		l = append(l, cells[k].Style.Span(table.Fit(text, y.widths[k], c.right, y.ascii)), screen.Plain.Span(screen.Spaces(Gap)))
	}
	return l
}

// Widen makes want at least as wide as the cells of an item.
func Widen(want []int, cells []screen.Span) {
	for k := range cells {
		want[k] = max(want[k], table.Width(cells[k].Text))
	}
}
