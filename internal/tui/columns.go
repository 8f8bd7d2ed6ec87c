package tui

import "lodge/internal/show/table"

// column is one column of a list.
type column struct {
	title string
	// least is the width below which it is of no use, and most what it may
	// have where there is room for all; both in cells.
	least, most int
	// drop orders what goes first where there is no room: the highest. A
	// column with zero stays.
	drop  int
	right bool
	// tail keeps the end of what is too long: an address's port.
	tail bool
}

// gap is between two columns, and before the first, where the mark of the
// selected line is.
const gap = 2

// fit returns the width of each column in cells, zero for one that is left out. want
// is how wide their content is.
func fit(cols []column, want []int, room int) []int {
	limits := make([]table.Limit, len(cols))
	for i, c := range cols {
		floor := table.Width(c.title)
		l := table.Limit{Want: -1, Least: max(c.least, floor), Floor: floor, Drop: c.drop}
		if want[i] > 0 || c.drop == 0 { // else there is nothing in it
			l.Want = max(min(want[i], c.most), floor, c.least)
		}
		limits[i] = l
	}
	w := table.Share(limits, room, gap)
	for i := range w {
		w[i] = max(w[i], 0)
	}
	return w
}
