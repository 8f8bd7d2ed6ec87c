package tui

import (
	"lodge/internal/sockets"
	"lodge/internal/tui/screen"
	"lodge/internal/tui/view"
)

// binding is a key as the help shows it.
type binding struct{ keys, does string }

// bindings are what the help lists. [ui.Key] carries them out.
func bindings() []binding {
	return []binding{
		{"tab, 1-4", "the views: projects, listeners, connections, talk"},
		{"arrows, j, k", "move; pgup, pgdn, home, end: further"},
		{"enter, e", "explain the selected"},
		{"/", "filter: a port, an address, a process, project/service"},
		{"s, r", "sort by the next column; reverse"},
		{"f, l", "follow the logs of the selected service"},
		{"K", "end the process of the selected (asks first)"},
		{"p", "pause, or go on"},
		{"ctrl+l", "paint the screen anew"},
		{"?, q", "this help; quit"},
	}
}

// Key takes a key, named as [screen.Event] names it, and returns what is to be done.
func (u *ui) Key(k string) []effect {
	switch k {
	case "ctrl+z":
		return []effect{suspend{}}
	case "ctrl+l":
		return []effect{redraw{}}
	}
	u.foot.note = nil
	switch {
	case u.tooSmall():
		if k == "q" || k == "ctrl+c" {
			return u.quit()
		}
		return nil
	case u.foot.prompt != nil:
		return u.answer(u.foot.prompt.key(k))
	case k == "ctrl+c":
		return u.quit()
	case u.panes.open != nil:
		return u.panes.key(k)
	}
	if u.tabs.shown().key(k, u.listRows()) || u.tabs.key(k) {
		return nil
	}
	return u.command(k)
}

// command does what a key says that is for the whole of top.
func (u *ui) command(k string) []effect {
	switch k {
	case "q":
		return u.quit()
	case "?", "h", "f1":
		return u.panes.show(newHelp(u.format))
	case "enter", "e":
		if s, ok := u.selected(); ok {
			return u.panes.show(newExplanation(s))
		}
	case "f", "l":
		if s, ok := u.selected(); ok {
			return u.openLogs(s)
		}
	case "/":
		u.foot.prompt = newFilterPrompt(u.filter, u.opt.ParseFilter)
	case "esc":
		if u.filter.text != "" {
			u.setFilter(filter{})
		}
	case "K":
		if s, ok := u.selected(); ok {
			u.askEnd(s)
		}
	case "p", "space":
		return u.pause()
	}
	return nil
}

// Paste takes pasted text. Only the line that is being typed takes it, so that a
// paste by mistake does nothing.
func (u *ui) Paste(s string) {
	if p, ok := u.foot.prompt.(*filterPrompt); ok && !u.tooSmall() {
		u.answer(p.paste(s))
	}
}

// answer carries out what a key did to the prompt.
func (u *ui) answer(r reply) []effect {
	if r.done {
		u.foot.prompt = nil
	}
	if r.filter != nil {
		u.setFilter(*r.filter)
	}
	u.foot.note = r.note
	if r.end != nil {
		return []effect{*r.end}
	}
	return nil
}

func (u *ui) quit() []effect { return append(u.panes.close(), quit{}) }

func (u *ui) pause() []effect {
	u.paused = !u.paused
	if !u.paused {
		// The next reading counts a longer time than the interval.
		u.facts.meter.Reset()
	}
	return []effect{hold{u.paused}}
}

// selected returns what the selected item is about.
func (u *ui) selected() (view.Subject, bool) {
	s, ok := u.tabs.shown().selected()
	if !ok {
		u.foot.say(screen.Warn, "nothing is selected")
	}
	return s, ok
}

// openLogs follows the service of a subject: of a listener or a connection the one
// that it belongs to.
func (u *ui) openLogs(s view.Subject) []effect {
	if s.Lodge.Project == "" {
		u.foot.say(screen.Warn, "it is no service of lodge's: only they have logs here")
		return nil
	}
	p, up := u.facts.project(s)
	if !up {
		u.foot.say(screen.Warn, "project "+u.format.clean(s.Lodge.Project)+" is not up any more")
		return nil
	}
	return u.panes.show(newLogs(u.format.clean("logs of "+s.Lodge.Lodge()), follow{project: p, service: s.Lodge.Service}))
}

// askEnd asks about the processes of a subject.
func (u *ui) askEnd(s view.Subject) {
	p, why := newEndPrompt(s, u.isOwn, u.format)
	if p == nil {
		u.foot.say(screen.Warn, why)
		return
	}
	u.foot.prompt = p
}

// isOwn reports whether a process is one of lodge's own.
func (u *ui) isOwn(p *sockets.Process) bool {
	return u.facts.isKeeper(p) || u.opt.Own != nil && u.opt.Own(p) != ""
}
