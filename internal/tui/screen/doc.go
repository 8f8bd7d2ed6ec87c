// Package screen draws lines of styled text on a terminal and decodes its keys.
//
// It knows nothing of what is shown: package [lodge/internal/tui] has the
// program, and [lodge/internal/tui/view] makes the lines.
package screen
