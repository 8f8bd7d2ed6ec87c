package tui

import (
	"context"
	"sync"
	"time"

	"lodge/internal/logs"
)

// poller reads frames, one after another.
type poller struct {
	interval time.Duration
	wake     chan struct{}

	mu     sync.Mutex // guards paused
	paused bool
}

func newPoller(interval time.Duration) *poller {
	return &poller{interval: interval, wake: make(chan struct{}, 1)}
}

// now reads a frame without waiting for its time.
func (p *poller) now() {
	select {
	case p.wake <- struct{}{}:
	default: // it is about to anyway
	}
}

func (p *poller) hold(paused bool) {
	p.mu.Lock()
	p.paused = paused
	p.mu.Unlock()
	if !paused {
		p.now()
	}
}

func (p *poller) held() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paused
}

// run reads until ctx ends. The time counts from one reading's begin to the
// next, but readings never take more than a fifth of all time.
func (p *poller) run(ctx context.Context, src Source, send func(any)) {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-p.wake:
		case <-ctx.Done():
			return
		}
		if p.held() {
			continue // hold wakes it
		}
		began := time.Now()
		f, err := src.Frame(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			send(failedMsg{err})
		default:
			send(frameMsg{f})
		}
		took := time.Since(began)
		t.Reset(max(p.interval-took, 4*took))
	}
}

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
