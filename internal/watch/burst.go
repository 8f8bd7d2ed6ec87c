package watch

import (
	"os"
	"path/filepath"
	"time"
)

// Many tools change hundreds of files in one go: git checkout, generators,
// installers. Who restarts for a change wants to hear of it when they are done.

const (
	// A change is delivered at the latest maxDebounces quiet times after the last
	// one of a file that had not changed yet, and maxBurst quiet times after the
	// first of all.
	maxDebounces = 10
	maxBurst     = 100
	// Where many files have changed it is a tool, which may pause between two:
	// manyQuiet quiet times are waited for.
	many      = 10
	manyQuiet = 3
)

// pause returns how long nothing may change until the pending changes are
// delivered.
func (w *Watcher) pause() time.Duration {
	if w.flood || len(w.pending) >= many {
		return manyQuiet * w.quiet
	}
	return w.quiet
}

// latest returns when the pending changes are delivered although there is no
// quiet.
func (w *Watcher) latest() time.Time {
	since := w.first
	if w.another.After(since) {
		since = w.another
	}
	end := since.Add(maxDebounces * w.quiet)
	if last := w.first.Add(maxBurst * w.quiet); end.After(last) {
		return last
	}
	return end
}

// gitIsBusy reports whether git is changing the repository's files just now: it
// has index.lock meanwhile. A lock that is older than the longest burst was left
// behind.
func (w *Watcher) gitIsBusy() bool {
	if w.ignore.gitDir == "" {
		return false
	}
	info, err := os.Lstat(filepath.Join(w.ignore.gitDir, "index.lock"))
	return err == nil && time.Since(info.ModTime()) < maxBurst*w.quiet
}
