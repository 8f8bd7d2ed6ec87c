package watch

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The numbers of Breaker.
const (
	// LoopRestarts is how many restarts in LoopWindow make a loop.
	LoopRestarts = 5
	LoopWindow   = 10 * time.Second
	// LoopSoon is how soon after a start a change must come to be suspected
	// to be the service's own doing.
	LoopSoon = 2 * time.Second
	// LoopQuiet is how long no change may come until restarts are allowed
	// again.
	LoopQuiet = 10 * time.Second
)

// Breaker tells when a service is caught in a loop: it changes files that it
// is restarted for. It is for one service, has no clock of its own, and its
// zero value is ready. It is not for use from several goroutines at once.
type Breaker struct {
	started time.Time // of the last start; zero before the first
	// soon holds the restarts for changes that came soon after a start,
	// oldest first, none older than LoopWindow.
	soon []soonRestart
	// looping holds the files of the loop that was found, until the quiet.
	looping []string
	changed time.Time // the last change while looping
}

type soonRestart struct {
	at    time.Time
	files []string
}

// Started tells when the service was really started, if that was later than
// the Allow that led to it (it may have taken long to stop), or if it was
// started for another reason.
func (b *Breaker) Started(now time.Time) { b.started = now }

// Allow is asked before the service is restarted because files changed, and
// reports whether to do so. If not, reason names the files of the loop; the
// caller asks again with the next change, and may ask with no files after
// LoopQuiet to make up for what was held back.
func (b *Breaker) Allow(now time.Time, files []string) (ok bool, reason string) {
	if b.looping != nil {
		if now.Sub(b.changed) < LoopQuiet {
			if len(files) > 0 {
				b.changed = now
			}
			return false, b.reason()
		}
		b.looping, b.soon = nil, nil
	}
	if b.started.IsZero() || now.Sub(b.started) > LoopSoon {
		b.soon = nil
	} else {
		b.soon = append(b.soon, soonRestart{now, slices.Clone(files)})
		b.soon = slices.DeleteFunc(b.soon, func(r soonRestart) bool { return now.Sub(r.at) > LoopWindow })
		if loop := b.common(); len(loop) > 0 {
			b.looping, b.changed = loop, now
			return false, b.reason()
		}
	}
	b.started = now
	return true, ""
}

// common returns the files that took part in LoopRestarts restarts or more.
func (b *Breaker) common() []string {
	count := map[string]int{}
	for _, r := range b.soon {
		slices.Sort(r.files)
		for _, f := range slices.Compact(r.files) {
			count[f]++
		}
	}
	var out []string
	for f, n := range count {
		if n >= LoopRestarts {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

func (b *Breaker) reason() string {
	names := b.looping
	more := ""
	if len(names) > 3 {
		more = fmt.Sprintf(" and %d more", len(names)-3)
		names = names[:3]
	}
	return fmt.Sprintf("restarts in a loop: %s%s changed within %v of %d starts; no restart until %v without a change",
		strings.Join(names, ", "), more, LoopSoon, LoopRestarts, LoopQuiet)
}
