package view

import (
	"slices"

	"lodge/internal/localapi"
	"lodge/internal/service"
	"lodge/internal/tui/screen"
)

// Subject is what the keys act on: what an item is about.
type Subject struct {
	// Address is what `lodge explain` is asked for: 127.0.0.1:5432, 53/udp, :80, or the address of a home.
	Address string
	// Parties have the processes that can be ended, the likeliest first.
	Parties []Party
	// Lodge has the project and the service whose logs can be followed, if there is one.
	Lodge Party
	// Project and Service are set for the items of the view of projects; Service is nil for a project without any.
	Project *localapi.Project
	Service *service.Status
}

// ordering is one way to sort a list.
type ordering[T any] struct {
	name string
	// marks are the titles of the columns that it sorts by.
	marks []string
	// down: the largest first, unless the sorting is reversed.
	down    bool
	compare func(a, b *T) int
}

// Sorting is how a list is sorted: by which of its orderings, and in which direction.
type Sorting struct {
	By      int // index of an ordering
	Reverse bool
}

// list is a [List] of items of one kind.
type list[T any] struct {
	name  string
	items []T
	// sorted are the indexes of the items in their order; nil before the first sort.
	sorted    []int
	cols      []Column
	orderings []ordering[T]
	id        func(*T) Identity
	cells     func(*T, *Render) []screen.Span
	about     func(*T) Subject
	nothing   string // shown if there are no items
}

// List is what a view shows: items in an order.
type List interface {
	// Title is the name of the view.
	Title() string
	Len() int
	Columns() []Column
	// Orderings returns the number of ways to sort the list, and Ordering the one at an index: its name, the titles
	// of the columns that it sorts by, and whether the largest comes first.
	Orderings() int
	Ordering(at int) (name string, marks []string, down bool)
	Sort(Sorting)
	// ID returns the identity of item i, Cells its cells, and Subject what it is about.
	ID(i int) Identity
	Cells(i int, r *Render) []screen.Span
	Subject(i int) Subject
	// Empty is the sentence for a list without items.
	Empty() string
}

func (l *list[T]) at(i int) *T {
	if l.sorted == nil {
		return &l.items[i]
	}
	return &l.items[l.sorted[i]]
}

func (l *list[T]) Title() string { return l.name }

func (l *list[T]) Len() int { return len(l.items) }

func (l *list[T]) Columns() []Column { return l.cols }

func (l *list[T]) Orderings() int { return len(l.orderings) }

func (l *list[T]) ID(i int) Identity { return l.id(l.at(i)) }

func (l *list[T]) Cells(i int, r *Render) []screen.Span { return l.cells(l.at(i), r) }

func (l *list[T]) Subject(i int) Subject { return l.about(l.at(i)) }

func (l *list[T]) Empty() string { return l.nothing }

func (l *list[T]) Ordering(at int) (string, []string, bool) {
	o := l.orderings[at]
	return o.name, o.marks, o.down
}

// Sort orders the items. Equal items are ordered by their identity, so that they do not change places.
func (l *list[T]) Sort(by Sorting) {
	o := l.orderings[by.By]
	down := o.down != by.Reverse
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
	Projects = iota
	Listeners
	Connections
	Talk
	Count // the number of views
)

// Names are the names of the views as --view takes them, in the order of
// their keys.
func Names() []string { return []string{"projects", "listeners", "connections", "talk"} }

// List returns the list of a view, made anew and not sorted.
func (d *Digest) List(i int) List {
	switch i {
	case Projects:
		return projectsView(d.services())
	case Listeners:
		return listenersView(d.listeners())
	case Connections:
		return connectionsView(d.connections())
	}
	return talkView(d.talks())
}
