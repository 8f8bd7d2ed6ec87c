package stream

import "time"

// list is a list of connections. A connection is in one by an element of its
// own, so that it is taken out without a search.
type list struct{ root element }

type element struct {
	next, prev *element
	list       *list
	c          *conn
}

func (l *list) init() { l.root.next, l.root.prev = &l.root, &l.root }

// front moves an element to the front of the list, from wherever it is.
func (l *list) front(e *element) {
	if l.root.next == e {
		return
	}
	e.remove()
	e.list, e.prev, e.next = l, &l.root, l.root.next
	e.prev.next, e.next.prev = e, e
}

// settled is how exact the order of a list of connections is.
const settled = 5 * time.Millisecond

// use moves a connection that is used to the front of its list. One that is used all the
// time is not moved each time: the list's neighbours would be touched.
func (l *list) use(c *conn, now time.Time) {
	if c.recent.list == l && now.Before(c.settled) {
		return
	}
	c.settled = now.Add(settled)
	l.front(&c.recent)
}

// remove takes an element out of the list that it is in.
func (e *element) remove() {
	if e.list == nil {
		return
	}
	e.prev.next, e.next.prev = e.next, e.prev
	e.next, e.prev, e.list = nil, nil, nil
}

// oldest returns the last connection, or nil.
func (l *list) oldest() *conn { return l.root.prev.c }

// each calls f with each connection, the oldest first. f may take its
// connection out.
func (l *list) each(f func(*conn)) {
	for e := l.root.prev; e != &l.root; {
		before := e.prev
		f(e.c)
		e = before
	}
}
