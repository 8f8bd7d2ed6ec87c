package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lodge/internal/show/table"
	"lodge/internal/tui/screen"
	"lodge/internal/tui/view"
)

// tabs are the views, of which one is shown.
type tabs struct {
	digest *view.Digest
	all    [view.Count]tab
	at     int // index of the view that is shown
	// chosen is set once the user chose a view.
	chosen bool
}

// choose shows the view of a name.
func (ts *tabs) choose(name string) error {
	i := slices.Index(view.Names(), name)
	if i < 0 {
		return fmt.Errorf("show view %q: not one of %s", name, strings.Join(view.Names(), ", "))
	}
	ts.at, ts.chosen = i, true
	return nil
}

// take replaces the lists. Each is made and sorted when it is shown.
func (ts *tabs) take(d *view.Digest) {
	ts.digest = d
	for i := range ts.all {
		ts.all[i].list = nil
	}
	if !ts.chosen {
		ts.chosen = true
		ts.at = view.Listeners
		if d.Counts.Projects > 0 {
			ts.at = view.Projects
		}
	}
}

// tab returns the tab of a view, with its list.
func (ts *tabs) tab(i int) *tab {
	t := &ts.all[i]
	if t.list == nil {
		t.show(ts.digest.List(i))
	}
	return t
}

// shown returns the tab that is shown.
func (ts *tabs) shown() *tab { return ts.tab(ts.at) }

// key chooses the view. It reports whether k is a key that does.
func (ts *tabs) key(k string) bool {
	switch k {
	case "1", "2", "3", "4":
		ts.at = int(k[0] - '1')
	case "tab", "right":
		ts.at = (ts.at + 1) % view.Count
	case "shift+tab", "left":
		ts.at = (ts.at + view.Count - 1) % view.Count
	default:
		return false
	}
	ts.chosen = true
	return true
}

// forgetWidths makes the columns as wide as what is shown from now on.
func (ts *tabs) forgetWidths() {
	for i := range ts.all {
		ts.all[i].want = nil
	}
}

// tabLine returns the names of the views, and what they are filtered by. If there is
// no room for all names, only that of the view that is shown stays.
func (ts *tabs) tabLine(filter string, width int) screen.Line {
	l := ts.names(filter, true)
	if table.Width(l.String()) > width {
		l = ts.names(filter, false)
	}
	return l
}

func (ts *tabs) names(filter string, all bool) screen.Line {
	var l screen.Line
	for i, n := range view.Names() {
		switch s := strconv.Itoa(i + 1); {
		case i == ts.at:
			l = append(l, screen.Bold.Span(s+" "+strings.ToUpper(n)))
		case all:
			l = append(l, screen.Plain.Span(s+" "+n))
		default:
			l = append(l, screen.Plain.Span(s))
		}
		l = append(l, screen.Plain.Span("  "))
	}
	if filter != "" {
		return append(l, screen.Warn.Span("filter: "+filter))
	}
	return l[:len(l)-1]
}
