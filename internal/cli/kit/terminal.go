package kit

import (
	"os"

	"golang.org/x/term"
)

// IsTerminal reports whether f, which may be nil, is a terminal.
func IsTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// TerminalWidth returns the columns of a terminal, or 0 for what is none.
func TerminalWidth(f *os.File) int {
	if !IsTerminal(f) {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}
