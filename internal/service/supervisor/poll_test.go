package supervisor

import (
	"testing"
	"time"
)

// readingsIn counts how often the endpoints are read within a time, with a clock of
// its own, where each reading ends as read tells.
func readingsIn(span time.Duration, r readings, read func(*readings, time.Time)) (n int) {
	begin := time.Unix(1000, 0)
	for now := begin.Add(r.untilRead(begin)); now.Before(begin.Add(span)); now = now.Add(r.untilRead(now)) {
		read(&r, now)
		n++
	}
	return n
}

// TestReadingsOfAQuietHome: what cannot be read, such as in a process that has no
// descriptor left, is asked for as seldom as what does not change.
func TestReadingsOfAQuietHome(t *testing.T) {
	begin := time.Unix(1000, 0)
	old := readings{read: begin, moved: begin.Add(-time.Hour)}
	most := int(time.Minute / pollMost)
	for name, read := range map[string]func(*readings, time.Time){
		"unchanged": func(r *readings, now time.Time) { r.read = now },
		"failing":   func(r *readings, now time.Time) { r.failed = now },
	} {
		if n := readingsIn(time.Minute, old, read); n > most || n < most-1 {
			t.Errorf("%s: %d readings in a minute, want %d", name, n, most)
		}
	}
	// What has just changed is looked at more often.
	busy := func(r *readings, now time.Time) { r.read, r.moved = now, now }
	if n := readingsIn(time.Minute, old, busy); n < 10*most {
		t.Errorf("changing: %d readings in a minute, want many", n)
	}
	// A failure that is over does not count.
	if got, want := (readings{read: begin, moved: begin, failed: begin.Add(-time.Second)}).untilRead(begin), pollLeast; got != want {
		t.Errorf("after a failure: %v, want %v", got, want)
	}
}
