// Package table lays text out in the columns of a terminal: how many columns text
// takes, text cut and wrapped to a width, and tables whose columns give way to each
// other where there is little room.
//
// Widths are those of grapheme clusters as github.com/clipperhouse/displaywidth
// knows them: marks that combine take no column, East Asian wide characters and
// emoji take two, with all that a joiner or a modifier adds to them; ambiguous
// characters take one (Unicode, UAX #11, UAX #29 and UTS #51). It is the table
// below charmbracelet/x/ansi, without that module's parser, colours and their
// initialisation: it has none.
//
// Text is expected to be clean (see package show): control characters have no
// width.
package table
