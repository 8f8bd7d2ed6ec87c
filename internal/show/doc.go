// Package show writes values for people and for programs: units, counts and
// times, text of other programs made harmless, colours, and JSON. The same value
// reads the same in every command.
//
// It uses the standard library only, and does no I/O of its own: whether output
// is a terminal and what the environment says come in as values. Widths and
// tables, which need Unicode's width tables, are in show/table.
package show
