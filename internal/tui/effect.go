package tui

import (
	"lodge/internal/localapi"
	"lodge/internal/sockets"
)

// effect is something that a key asks for and that the ui cannot do itself: the
// program carries it out, and passes the result to the ui.
type effect interface{ isEffect() }

type (
	// quit ends top.
	quit struct{}
	// suspend stops the process until it is continued (Ctrl-Z).
	suspend struct{}
	// redraw paints all of the screen anew.
	redraw struct{}
	// refresh reads a frame now.
	refresh struct{}
	// hold pauses the reading, or continues it.
	hold struct{ paused bool }
	// explain asks for the text of the pane number pane.
	explain struct {
		pane    int
		address string
	}
	// follow asks for the lines of a service for the pane number pane.
	follow struct {
		pane    int
		project localapi.Project
		service string
	}
	// leave cancels the request of the pane number pane.
	leave struct{ pane int }
	// end ends a process.
	end struct {
		process *sockets.Process
		hard    bool
	}
)

func (quit) isEffect()    {}
func (suspend) isEffect() {}
func (redraw) isEffect()  {}
func (refresh) isEffect() {}
func (hold) isEffect()    {}
func (explain) isEffect() {}
func (follow) isEffect()  {}
func (leave) isEffect()   {}
func (end) isEffect()     {}
