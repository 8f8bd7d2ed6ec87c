package tui

import (
	"lodge/internal/logs"
	"lodge/internal/sockets"
	"lodge/internal/tui/screen"
	"lodge/internal/tui/view"
)

// ui is what is on the screen: the facts, the tabs over them, and what lies over
// these. It does no I/O: a frame, a key or an answer changes it, Lines shows it, and
// what a key asks for beyond that is an effect.
type ui struct {
	opt    Options
	format format
	size

	facts  facts
	filter filter
	tabs   tabs
	panes  panes
	foot   foot
	paused bool
}

// newUI returns the state before the first frame. An unknown view, or a filter that
// cannot be parsed, is an error.
func newUI(opt Options) (*ui, error) {
	u := &ui{opt: opt, format: newFormat(opt)}
	if opt.View != "" {
		if err := u.tabs.choose(opt.View); err != nil {
			return nil, err
		}
	}
	var err error
	if u.filter, err = parseFilter(opt.Filter, opt.ParseFilter); err != nil {
		return nil, err
	}
	u.tabs.digest = view.NewDigest(&Frame{}, nil, nil)
	u.Resize(80, 24)
	return u, nil
}

// Frame takes a reading.
func (u *ui) Frame(f *Frame) {
	u.facts.take(f)
	u.digest()
}

// Failed takes the error of a reading. What was read before stays.
func (u *ui) Failed(err error) { u.facts.fail(err) }

// digest makes the lists of the facts, after another frame or another filter.
func (u *ui) digest() {
	if d := u.facts.digest(u.filter.match); d != nil {
		u.tabs.take(d)
	}
}

// setFilter filters the lists.
func (u *ui) setFilter(f filter) {
	u.filter = f
	u.tabs.forgetWidths()
	u.digest()
}

// Resize takes the screen's size in cells.
func (u *ui) Resize(width, height int) {
	u.size = size{width, height}
	u.tabs.forgetWidths()
	u.panes.resize(width, height-3) // head, title, foot
}

// Explained takes the answer of explain for a pane, which may be closed by now.
func (u *ui) Explained(number int, answer string, err error) {
	if p := u.panes.find(number); p != nil {
		p.explained(answer, err, u.format)
	}
}

// Logged takes lines of a service for a pane. Before them, skipped ones were lost.
func (u *ui) Logged(number int, ls []logs.Line, skipped int) {
	if p := u.panes.find(number); p != nil {
		p.logged(ls, skipped, u.format)
	}
}

// Unfollowed takes the end of the lines for a pane.
func (u *ui) Unfollowed(number int, err error) {
	if p := u.panes.find(number); p != nil {
		p.unfollowed(err, u.format)
	}
}

// Ended takes the result of an end: whether the process is gone, or why it was not
// sent a signal.
func (u *ui) Ended(e end, gone bool, err error) []effect {
	name := u.format.process(e.process)
	switch {
	case err != nil:
		u.foot.say(screen.Bad, u.format.err(err))
	case gone:
		u.foot.say(screen.Plain, name+" has ended")
	case e.hard:
		u.foot.say(screen.Bad, name+" goes on even after KILL: the kernel is busy with it")
	case u.foot.prompt == nil:
		u.foot.prompt = &endPrompt{processes: []*sockets.Process{e.process}, format: u.format, hard: true}
	default:
		u.foot.say(screen.Warn, name+" goes on after TERM")
	}
	return []effect{refresh{}}
}
