package cli

import (
	"context"
	"time"
)

// untilReaderGone returns a context that ends when nobody reads standard output
// any more, as in `lodge logs -f | head -1`: the next write, which would say so,
// may not come for hours. The caller calls stop.
func (a *app) untilReaderGone(ctx context.Context) (reading context.Context, stop func()) {
	reading, cancel := context.WithCancel(ctx)
	w, err := newPause(reading, a.env.Stdout)
	if err != nil {
		return reading, cancel // the next write says it
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for w.until(time.Now().Add(time.Hour)) {
		}
		cancel()
	}()
	return reading, func() {
		cancel()
		<-ended
		w.close()
	}
}
