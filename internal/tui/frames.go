package tui

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"lodge/internal/sockets"
	"lodge/internal/sockets/track"
)

// rest is how many times as long as a reading the pause after it is at least:
// readings take at most a fifth of the time.
const rest = 4

// newTracker returns the tracker that reads frames from a source.
func newTracker(src Source, interval time.Duration) *track.Tracker[*Frame] {
	return track.New(track.Options[*Frame]{Interval: interval, Rest: rest, Demand: true, Read: func(ctx context.Context) (_ *sockets.Table, _ *Frame, err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("%w: %v\n%s", errPanic, r, debug.Stack())
			}
		}()
		f, err := src.Frame(ctx)
		if err != nil {
			return nil, nil, err
		}
		return &sockets.Table{Rows: f.Rows, UnknownOwners: f.UnknownOwners, Warnings: f.Warnings}, f, nil
	}})
}

// sendFrames sends each frame until ctx ends.
func sendFrames(ctx context.Context, t *track.Tracker[*Frame], send func(any)) {
	s := t.Subscribe(track.SubscribeOptions{})
	defer s.Close()
	for {
		u, err := s.Next(ctx)
		switch {
		case err != nil:
			return
		case errors.Is(u.Err, errPanic):
			send(overMsg{u.Err})
		case u.Err != nil:
			send(failedMsg{u.Err})
		default:
			send(frameMsg{u.Extra})
		}
	}
}
