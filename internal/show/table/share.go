package table

import "slices"

// Limit is what a column needs; all in columns of the terminal.
type Limit struct {
	// Want is its width where there is room for all; negative for a column that is
	// not there.
	Want int
	// Least is the width down to which it gives way to others.
	Least int
	// Floor is the width down to which it is squeezed once no other column can be
	// left out.
	Floor int
	// Drop orders the columns that are left out where there is no room: the highest
	// first. A column with zero stays.
	Drop int
}

// Share returns the width of each column, negative for one that is left out. gap is
// between two columns, and after the last; room is for all of it. The widest columns
// give way first, then columns are left out, and then what stays is squeezed. What
// does not fit even so must be cut.
func Share(limits []Limit, room, gap int) []int {
	w := make([]int, len(limits))
	for i, l := range limits {
		w[i] = l.Want
	}
	for {
		over := total(w, gap) - room
		over -= narrow(w, over, func(i int) int { return min(limits[i].Least, limits[i].Want) })
		if over <= 0 {
			return w
		}
		dropped := -1
		for i, l := range limits {
			if w[i] >= 0 && l.Drop > 0 && (dropped < 0 || l.Drop > limits[dropped].Drop) {
				dropped = i
			}
		}
		if dropped < 0 {
			narrow(w, over, func(i int) int { return limits[i].Floor })
			return w
		}
		// The others get back what they gave.
		kept := slices.Clone(w)
		for i, l := range limits {
			if kept[i] >= 0 && i != dropped {
				w[i] = l.Want
			} else {
				w[i] = -1
			}
		}
	}
}

// narrow takes columns from the widest that is wider than its least, at most n of
// them, and returns how many it took.
func narrow(w []int, n int, least func(i int) int) (taken int) {
	for ; taken < n; taken++ {
		widest := -1
		for i := range w {
			if w[i] > least(i) && (widest < 0 || w[i] > w[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		w[widest]--
	}
	return max(taken, 0)
}

// total is the width of all columns with the gaps after them.
func total(w []int, gap int) int {
	n := 0
	for _, x := range w {
		if x >= 0 {
			n += x + gap
		}
	}
	return n
}
