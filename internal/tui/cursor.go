package tui

import "lodge/internal/tui/view"

// cursor is the selected item of a list and the part of the list that is on
// the screen.
type cursor struct {
	// id is the selected item's, if set: from the first move on, the cursor stays
	// with the item and not with the line.
	id    view.Identity
	set   bool
	index int // of the selected item
	top   int // index of the first item on the screen
}

// follow finds the item again after the list changed. If the item is gone, the
// cursor stays on its line.
func (c *cursor) follow(v view.List) {
	n := v.Len()
	if n == 0 {
		c.index, c.top = 0, 0
		return
	}
	if c.set {
		for i := range n {
			if v.ID(i) == c.id {
				c.index = i
				return
			}
		}
	}
	c.index = min(c.index, n-1)
	if c.set {
		c.id = v.ID(c.index)
	}
}

// move puts the cursor on item i, or the nearest one. From then on it stays with
// that item.
func (c *cursor) move(v view.List, i int) {
	n := v.Len()
	if n == 0 {
		return
	}
	c.index = min(max(i, 0), n-1)
	c.id, c.set = v.ID(c.index), true
}

// scroll keeps the cursor within the rows of the screen.
func (c *cursor) scroll(n, rows int) {
	if c.index < c.top {
		c.top = c.index
	}
	if c.index >= c.top+rows {
		c.top = c.index - rows + 1
	}
	c.top = max(min(c.top, n-rows), 0)
}
