package tui

import (
	"fmt"

	"lodge/internal/tui/screen"
)

// size is the screen's size in cells.
type size struct{ width, height int }

// The smallest screen on which a list can be read.
const (
	leastWidth  = 40
	leastHeight = 10
)

// tooSmall reports whether the screen is too small for anything but to say so.
func (s size) tooSmall() bool { return s.width < leastWidth || s.height < leastHeight }

// tooSmallLines returns the screen that says so.
func (s size) tooSmallLines() []screen.Line {
	return []screen.Line{
		screen.Plain.Line(fmt.Sprintf("too small: %dx%d", s.width, s.height)),
		screen.Plain.Line(fmt.Sprintf("needs %dx%d", leastWidth, leastHeight)),
	}
}
