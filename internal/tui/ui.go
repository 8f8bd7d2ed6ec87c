package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"lodge/internal/show"
)

// ui is the state of the screen. It does nothing but change when it is told of
// a key, a frame or an answer, and show itself: see Lines.
type ui struct {
	opt           Options
	width, height int

	meter meter
	frame *Frame
	rates map[socketKey]Rate
	// failure is why the last reading failed.
	failure string
	digest  *digest
	// views are the lists of the digest that were looked at: see view.
	views [viewCount]view

	at      int // the view that is shown
	chosen  bool
	cursors [viewCount]cursor
	sorts   [viewCount]sorting
	widths  [viewCount][]int

	filter filter
	paused bool
	prompt prompt // what is being asked, nil for nothing
	pane   *pane  // what lies over the list, nil for nothing
	panes  int    // how many there have been
	// note is said until the next key.
	note line
}

type sorting struct {
	order   int
	reverse bool
}

// newUI makes the state. A view or a filter that there is not is an error.
func newUI(opt Options) (*ui, error) {
	u := &ui{opt: opt, width: 80, height: 24}
	if opt.View != "" {
		u.at = slices.Index(ViewNames(), opt.View)
		if u.at < 0 {
			return nil, fmt.Errorf("show view %q: not one of %s", opt.View, strings.Join(ViewNames(), ", "))
		}
		u.chosen = true
	}
	if err := u.filter.set(opt.Filter, opt.ParseFilter); err != nil {
		return nil, err
	}
	u.digest = digestOf(&Frame{}, nil, nil)
	return u, nil
}

// Frame takes a new reading.
func (u *ui) Frame(f *Frame) {
	u.failure = ""
	u.rates = u.meter.read(f.Time, f.Rows)
	u.frame = f
	if !u.chosen {
		u.chosen = true
		u.at = viewListeners
		if len(projectsUp(f.Projects)) > 0 {
			u.at = viewProjects
		}
	}
	u.redigest()
}

// Failed is told why a reading failed. What was read before stays.
func (u *ui) Failed(err error) {
	if errors.Is(err, errStopped) {
		return
	}
	u.failure = show.OneLine(err.Error())
}

// redigest makes the lists anew, after another frame or another filter.
func (u *ui) redigest() {
	if u.frame == nil {
		return
	}
	u.digest = digestOf(u.frame, u.rates, u.filter.match)
	u.views = [viewCount]view{}
}

// view returns a list, made now if need be, sorted, and with its cursor on the
// item that it was on.
func (u *ui) view(i int) view {
	if u.views[i] == nil {
		u.views[i] = u.digest.view(i)
		u.sort(i)
	}
	return u.views[i]
}

func (u *ui) sort(i int) {
	u.view(i).sort(u.sorts[i].order, u.sorts[i].reverse)
	u.cursors[i].follow(u.views[i])
}

// Resize takes the screen's size in cells.
func (u *ui) Resize(width, height int) {
	u.width, u.height = width, height
	u.forgetWidths()
	if u.pane != nil {
		u.pane.resize()
	}
}

func (u *ui) forgetWidths() { u.widths = [viewCount][]int{} }

// tooSmall is a screen on which nothing can be told.
func (u *ui) tooSmall() bool { return u.width < leastWidth || u.height < leastHeight }

// The smallest screen on which a list can be read.
const (
	leastWidth  = 40
	leastHeight = 10
)
