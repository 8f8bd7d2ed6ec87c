package watch

import (
	"slices"
	"time"
)

// Many tools change hundreds of files in one go: git checkout, generators,
// installers. A service that is restarted for a change is restarted when they are done.

const (
	defaultDebounce = 100 * time.Millisecond
	// maxPending is the number of changed files, not yet delivered, above
	// which the batch is Everything.
	maxPending = 2_000
	// A change is delivered at the latest maxDebounces quiet times after the last
	// one of a file that had not changed yet, and maxBurst quiet times after the
	// first of all.
	maxDebounces = 10
	maxBurst     = 100
	// If many files have changed it is a tool, which may pause between two:
	// the batch waits for manyQuiet quiet times.
	many      = 10
	manyQuiet = 3
)

// batch has the changes that wait for quiet.
type batch struct {
	// quiet is how long nothing must change.
	quiet time.Duration
	// pending are the changed files: whether the file was there before the first
	// change. It is empty if flood is set: there were more than maxPending.
	pending map[string]bool
	flood   bool
	// lost: events were lost. rulesChanged: a .gitignore changed.
	lost, rulesChanged bool
	// stirred: there was news since wait was called. Files that do not count must
	// not put the delivery off.
	stirred bool
	first   time.Time // when the oldest of these came; zero if none
	another time.Time // when a file changed last that was not pending
}

// newBatch returns a batch that waits for quiet; zero is the default.
func newBatch(quiet time.Duration) *batch {
	if quiet <= 0 {
		quiet = defaultDebounce
	}
	return &batch{quiet: quiet, pending: map[string]bool{}}
}

// mark notes that a file changed; before reports whether it was there.
func (b *batch) mark(rel string, before bool) {
	b.stirred = true
	if b.flood {
		b.another = time.Now()
		return
	}
	if _, ok := b.pending[rel]; !ok {
		b.pending[rel] = before
		b.another = time.Now()
	}
	if len(b.pending) > maxPending {
		b.flood = true
		clear(b.pending)
	}
}

// lose notes that events were lost.
func (b *batch) lose() { b.lost, b.stirred = true, true }

// changeRules notes that a .gitignore changed.
func (b *batch) changeRules() { b.rulesChanged, b.stirred = true, true }

// wait returns how long to wait until the batch is delivered, if there was news since
// it was called last.
func (b *batch) wait(now time.Time) (wait time.Duration, news bool) {
	if !b.stirred {
		return 0, false
	}
	b.stirred = false
	if b.first.IsZero() {
		b.first = now
	}
	return min(b.pause(), max(b.latest().Sub(now), 0)), true
}

// pause returns how long nothing may change until the batch is delivered.
func (b *batch) pause() time.Duration {
	if b.flood || len(b.pending) >= many {
		return manyQuiet * b.quiet
	}
	return b.quiet
}

// latest returns when the batch is delivered although there is no quiet.
func (b *batch) latest() time.Time {
	since := b.first
	if b.another.After(since) {
		since = b.another
	}
	end := since.Add(maxDebounces * b.quiet)
	if last := b.first.Add(b.longest()); end.After(last) {
		return last
	}
	return end
}

// longest returns how long a batch waits at most.
func (b *batch) longest() time.Duration { return maxBurst * b.quiet }

// end ends the waiting: the next change begins another one.
func (b *batch) end() { b.first, b.another = time.Time{}, time.Time{} }

// take empties the batch, and returns its files together with due, sorted. isNews
// reports whether a file is to be delivered: whether it was there before its first
// change, and whether the rules changed since.
func (b *batch) take(due []string, isNews func(rel string, before, rulesChanged bool) bool) []string {
	for rel, before := range b.pending {
		if isNews(rel, before, b.rulesChanged) {
			due = append(due, rel)
		}
	}
	slices.Sort(due)
	due = slices.Compact(due)
	if b.lost || b.flood || len(due) > maxPending || slices.Contains(due, Everything) {
		due = []string{Everything}
	}
	b.lost, b.flood, b.rulesChanged, b.stirred = false, false, false, false
	clear(b.pending)
	return due
}
