package service

import (
	"math/rand/v2"
	"time"
)

// backoff gives growing waits with jitter between restarts. The zero value is
// ready to use.
type backoff struct{ n int }

const (
	backoffFirst = 250 * time.Millisecond
	backoffMost  = 30 * time.Second
	// ranWell is how long a service must have run for its backoff to begin
	// anew.
	ranWell = 10 * time.Second
	// earlyTries is how often a service is started that never became ready.
	earlyTries = 5
)

// next returns the wait before the next start: 0.25 s doubled each time, at most
// 30 s, less up to a quarter, so that services that fell together do not rise
// together.
func (b *backoff) next() time.Duration {
	d := backoffMost
	if b.n < 7 {
		d = backoffFirst << b.n
	}
	b.n++
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

func (b *backoff) reset() { b.n = 0 }
