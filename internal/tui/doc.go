// Package tui is `lodge top`: the machine's sockets, projects and who talks to
// whom, live in a terminal, and the same as one frame of text or JSON.
//
// It reads nothing itself: a Source gives it frames and does what the keys ask
// for. What is shown is made by pure functions from a frame and the one before
// it; only program.go and terminal.go know a terminal.
package tui
