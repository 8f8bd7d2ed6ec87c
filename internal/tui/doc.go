// Package tui is `lodge top`: the machine's sockets, projects and connections, live in
// a terminal, and the same as one frame of text or JSON.
//
// It reads nothing itself: a [Source] returns frames and does what the keys ask for.
// [lodge/internal/tui/view] makes the tables of a frame, and
// [lodge/internal/tui/screen] draws on the terminal; the ui is the state between
// them, and the program runs it.
package tui
