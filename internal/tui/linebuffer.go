package tui

import (
	"sync"

	"lodge/internal/logs"
)

// lineBuffer holds lines of a service until the screen takes them.
type lineBuffer struct {
	mu      sync.Mutex // guards the rest
	lines   []logs.Line
	skipped int
	told    bool
}

// add keeps a line and reports whether the screen must be told that there is one.
func (b *lineBuffer) add(l logs.Line) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) >= paneLines {
		n := paneLines / 2
		b.lines = append(b.lines[:0], b.lines[n:]...)
		b.skipped += n
	}
	b.lines = append(b.lines, l)
	tell := !b.told
	b.told = true
	return tell
}

func (b *lineBuffer) take() ([]logs.Line, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ls, n := b.lines, b.skipped
	b.lines, b.skipped, b.told = nil, 0, false
	return ls, n
}
