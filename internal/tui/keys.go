package tui

// binding is a key as the help shows it.
type binding struct{ keys, does string }

// bindings are what the help lists; key below carries them out.
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

// Key takes a key, named as decoder names it, and says what is to be done.
func (u *ui) Key(k string) []effect {
	switch k {
	case "ctrl+z":
		return []effect{suspend{}}
	case "ctrl+l":
		return []effect{redraw{}}
	}
	u.note = nil
	switch {
	case u.tooSmall():
		if k == "q" || k == "ctrl+c" {
			return u.quit()
		}
		return nil
	case u.prompt != nil:
		return u.prompt.key(u, k)
	case k == "ctrl+c":
		return u.quit()
	case u.pane != nil:
		return u.pane.key(u, k)
	}
	if u.moveKey(k) || u.viewKey(k) {
		return nil
	}
	switch k {
	case "q":
		return u.quit()
	case "?", "h", "f1":
		u.openHelp()
	case "enter", "e":
		return u.openExplain()
	case "f", "l":
		return u.openLogs()
	case "/":
		u.askFilter()
	case "esc":
		if u.filter.text != "" {
			u.filter = filter{}
			u.refilter()
		}
	case "K":
		u.askEnd()
	case "p", "space":
		return u.pause()
	}
	return nil
}

// Paste takes text that was pasted: only a line that is being typed has use
// for it, so that a paste by mistake does nothing.
func (u *ui) Paste(s string) {
	if p, ok := u.prompt.(*filterPrompt); ok && !u.tooSmall() {
		p.paste(u, s)
	}
}

func (u *ui) quit() []effect {
	if u.pane != nil {
		return []effect{leave{u.pane.number}, quit{}}
	}
	return []effect{quit{}}
}

// moveKey moves the selection.
func (u *ui) moveKey(k string) bool {
	c, v, page := &u.cursors[u.at], u.view(u.at), max(u.listRows()-1, 1)
	switch k {
	case "up", "k", "ctrl+p":
		c.move(v, c.index-1)
	case "down", "j", "ctrl+n":
		c.move(v, c.index+1)
	case "pgup", "ctrl+b":
		c.move(v, c.index-page)
	case "pgdown", "ctrl+f":
		c.move(v, c.index+page)
	case "home", "g":
		c.move(v, 0)
	case "end", "G":
		c.move(v, v.len()-1)
	default:
		return false
	}
	return true
}

// viewKey chooses a view, or how it is sorted.
func (u *ui) viewKey(k string) bool {
	switch k {
	case "1", "2", "3", "4":
		u.show(int(k[0] - '1'))
	case "tab", "right":
		u.show((u.at + 1) % viewCount)
	case "shift+tab", "left":
		u.show((u.at + viewCount - 1) % viewCount)
	case "s":
		s := &u.sorts[u.at]
		s.order, s.reverse = (s.order+1)%u.view(u.at).orders(), false
		u.sort(u.at)
	case "S":
		s := &u.sorts[u.at]
		n := u.view(u.at).orders()
		s.order, s.reverse = (s.order+n-1)%n, false
		u.sort(u.at)
	case "r":
		u.sorts[u.at].reverse = !u.sorts[u.at].reverse
		u.sort(u.at)
	default:
		return false
	}
	return true
}

func (u *ui) show(view int) {
	u.at, u.chosen = view, true
}

func (u *ui) pause() []effect {
	u.paused = !u.paused
	if !u.paused {
		// What was counted meanwhile is of a longer time than the rest.
		u.meter.reset()
	}
	return []effect{hold{u.paused}}
}

// selected is what the selected item is about.
func (u *ui) selected() (subject, bool) {
	v := u.view(u.at)
	if v.len() == 0 {
		u.say(warn, "nothing is selected")
		return subject{}, false
	}
	// From here on the selection stays with the item.
	u.cursors[u.at].move(v, u.cursors[u.at].index)
	return v.subjectAt(u.cursors[u.at].index), true
}
