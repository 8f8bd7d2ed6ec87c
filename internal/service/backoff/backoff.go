// Package backoff decides when a service that ended is started again, and when it is
// given up. It does no I/O and knows no clock.
package backoff

import (
	"math/rand/v2"
	"time"
)

const (
	first = 250 * time.Millisecond
	most  = 30 * time.Second
	// RanWell is how long a service must have run for its backoff to begin anew.
	RanWell = 10 * time.Second
	// EarlyTries is how often a service is started that never became ready.
	EarlyTries = 5
)

// Backoff returns growing waits with jitter between restarts. The zero value is ready
// to use.
type Backoff struct{ n int }

// Next returns the wait before the next start: 0.25 s doubled each time, at most 30 s,
// less up to a quarter, so that services that ended together are not started together.
func (b *Backoff) Next() time.Duration {
	d := most
	if b.n < 7 {
		d = first << b.n
	}
	b.n++
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}

// Reset makes the waits begin anew.
func (b *Backoff) Reset() { b.n = 0 }
