package test

import (
	"testing"
	"time"
)

// limit is how long a condition may take: far more than it needs on a busy
// machine, and still an end.
const limit = 60 * time.Second

// eventually looks again and again until what returns "", which says what is
// still missing otherwise.
func eventually(t *testing.T, what func() string) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := what()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", limit, missing)
		}
		<-tick.C
	}
}

// deadline is the bound of a loop that looks again and again.
type deadline struct{ at time.Time }

func newDeadline() deadline { return deadline{time.Now().Add(limit / 2)} }

func (d deadline) over() bool { return time.Now().After(d.at) }

// tick waits for the next look.
func (d deadline) tick() {
	t := time.NewTimer(20 * time.Millisecond)
	defer t.Stop()
	<-t.C
}
