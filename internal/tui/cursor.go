package tui

// cursor is the selected item of a list and the part of the list that is on
// the screen.
type cursor struct {
	id    identity
	set   bool
	index int
	top   int
}

// follow finds the item again after the list changed. One that is gone leaves
// the cursor where it was.
func (c *cursor) follow(v view) {
	n := v.len()
	if n == 0 {
		c.index, c.top = 0, 0
		return
	}
	if c.set {
		for i := range n {
			if v.idAt(i) == c.id {
				c.index = i
				return
			}
		}
	}
	c.index = min(c.index, n-1)
	if c.set {
		c.id = v.idAt(c.index)
	}
}

// move puts the cursor on item i, or the nearest there is. From then on it
// stays with that item.
func (c *cursor) move(v view, i int) {
	n := v.len()
	if n == 0 {
		return
	}
	c.index = min(max(i, 0), n-1)
	c.id, c.set = v.idAt(c.index), true
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
