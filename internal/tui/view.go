package tui

import "slices"

// subject is what the keys act on: what an item is about.
type subject struct {
	// address is what Explain is asked for.
	address string
	// processes are those that can be ended, the likeliest first.
	parties []party
	// project and service are whose logs can be followed.
	service *serviceItem
	lodge   party
}

// ordering is one way to sort a list.
type ordering[T any] struct {
	name string
	// marks are the titles of the columns that it sorts by.
	marks []string
	// down means: the largest first, unless it is reversed.
	down    bool
	compare func(a, b *T) int
}

// list is one of the views: items of one kind, sorted.
type list[T any] struct {
	name  string
	items []T
	// sorted are the indexes of the items in their order.
	sorted    []int
	cols      []column
	orderings []ordering[T]
	id        func(*T) identity
	cells     func(*T, *render) []span
	about     func(*T) subject
	nothing   string // shown where there are no items
}

// view is a list whatever its items are.
type view interface {
	title() string
	len() int
	columns() []column
	order(at int) (name string, marks []string, down bool)
	orders() int
	sort(at int, reverse bool)
	idAt(i int) identity
	cellsAt(i int, r *render) []span
	subjectAt(i int) subject
	empty() string
}

func (l *list[T]) at(i int) *T {
	if l.sorted == nil {
		return &l.items[i]
	}
	return &l.items[l.sorted[i]]
}

func (l *list[T]) title() string                   { return l.name }
func (l *list[T]) len() int                        { return len(l.items) }
func (l *list[T]) columns() []column               { return l.cols }
func (l *list[T]) orders() int                     { return len(l.orderings) }
func (l *list[T]) idAt(i int) identity             { return l.id(l.at(i)) }
func (l *list[T]) cellsAt(i int, r *render) []span { return l.cells(l.at(i), r) }
func (l *list[T]) subjectAt(i int) subject         { return l.about(l.at(i)) }
func (l *list[T]) empty() string                   { return l.nothing }
func (l *list[T]) order(at int) (string, []string, bool) {
	o := l.orderings[at]
	return o.name, o.marks, o.down
}

// sort orders the items; those that are equal stand in the order of their
// identity, so that they do not change places.
func (l *list[T]) sort(at int, reverse bool) {
	o := l.orderings[at]
	down := o.down != reverse
	if l.sorted == nil {
		l.sorted = make([]int, len(l.items))
		for i := range l.sorted {
			l.sorted[i] = i
		}
	}
	slices.SortFunc(l.sorted, func(i, j int) int {
		a, b := &l.items[i], &l.items[j]
		n := o.compare(a, b)
		if down {
			n = -n
		}
		if n != 0 {
			return n
		}
		return l.id(a).compare(l.id(b))
	})
}

// The views, in the order of their keys.
const (
	viewProjects = iota
	viewListeners
	viewConnections
	viewTalk
	viewCount
)

// ViewNames are the names of the views as --view takes them, in the order of
// their keys.
func ViewNames() []string { return []string{"projects", "listeners", "connections", "talk"} }

// view makes the list of a view.
func (d *digest) view(i int) view {
	switch i {
	case viewProjects:
		return projectsView(d.Services())
	case viewListeners:
		return listenersView(d.Listeners())
	case viewConnections:
		return connectionsView(d.Connections())
	}
	return talkView(d.Talks())
}
