package tui

import "slices"

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

// fit returns each column its width in cells, zero for one that is left out.
// want is how wide their content is.
func fit(cols []column, want []int, room int) []int {
	w := make([]int, len(cols))
	full := func(i int) int {
		if c := cols[i]; want[i] > 0 || c.drop == 0 {
			return max(min(want[i], c.most), width(c.title), c.least)
		}
		return 0 // nobody has anything there
	}
	for i := range cols {
		w[i] = full(i)
	}
	for {
		over := total(w) - room
		if over <= 0 {
			return w
		}
		// First what can be narrower gives way, the widest most.
		for ; over > 0; over-- {
			k := -1
			for i, c := range cols {
				if w[i] > max(c.least, width(c.title)) && (k < 0 || w[i] > w[k]) {
					k = i
				}
			}
			if k < 0 {
				break
			}
			w[k]--
		}
		if over <= 0 {
			return w
		}
		k := -1
		for i, c := range cols {
			if w[i] > 0 && c.drop > 0 && (k < 0 || c.drop > cols[k].drop) {
				k = i
			}
		}
		if k < 0 {
			squeeze(cols, w, over)
			return w
		}
		// The others get back what they gave.
		kept := slices.Clone(w)
		for i := range cols {
			w[i] = 0
			if kept[i] > 0 && i != k {
				w[i] = full(i)
			}
		}
	}
}

// squeeze makes what must stay narrower than is good, down to the titles.
func squeeze(cols []column, w []int, over int) {
	for ; over > 0; over-- {
		k := -1
		for i, c := range cols {
			if w[i] > width(c.title) && (k < 0 || w[i] > w[k]) {
				k = i
			}
		}
		if k < 0 {
			return // cut at the screen's edge
		}
		w[k]--
	}
}

// total is the width of all columns with what is between them.
func total(w []int) int {
	n := 0
	for _, x := range w {
		if x > 0 {
			n += x + gap
		}
	}
	return n
}
