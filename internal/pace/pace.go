// Package pace sets how many processors a program that mostly passes things on
// uses at once. Go wakes a thread for each that is idle whenever there is
// something to do; where a client, a proxy and a server share few processors,
// these threads find nothing, and are in the way of both.
package pace

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// How often the use is looked at: while nothing comes, and while there is work.
const (
	idleLook = 2 * time.Second
	busyLook = 100 * time.Millisecond
)

// Pace keeps GOMAXPROCS at half of what it was, and at all of it while half is
// not enough.
type Pace struct {
	woken chan struct{}
	rule  rule
	used  func() time.Duration // the processor time of this process so far
}

// New makes a Pace for this process. It gives nil, which does nothing, where
// there is one processor, or where the person has said how many (the variable
// GOMAXPROCS is not empty).
func New(said string) *Pace {
	all := runtime.GOMAXPROCS(0)
	if all < 2 || said != "" {
		return nil
	}
	return &Pace{woken: make(chan struct{}, 1), rule: newRule(all), used: cpuTime}
}

// Wake says that there is work that may take more than half. It may be called
// often and by several goroutines.
func (p *Pace) Wake() {
	if p == nil {
		return
	}
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// Run sets the number until ctx ends, and then back to what it was.
func (p *Pace) Run(ctx context.Context) {
	if p == nil {
		<-ctx.Done()
		return
	}
	defer runtime.GOMAXPROCS(p.rule.all)
	runtime.GOMAXPROCS(p.rule.now)
	last, used := time.Now(), p.used()
	wait := idleLook
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.woken:
			wait = busyLook
			last, used = time.Now(), p.used()
			timer.Reset(wait)
			continue
		case <-timer.C:
		}
		now, total := time.Now(), p.used()
		took := now.Sub(last)
		if took <= 0 {
			took = 1
		}
		cpus := float64(total-used) / float64(took)
		last, used = now, total
		if before := p.rule.now; p.rule.next(cpus, took) != before {
			runtime.GOMAXPROCS(p.rule.now)
		}
		wait = idleLook
		if cpus > 0.3 {
			wait = busyLook
		}
		timer.Reset(wait)
	}
}

// cpuTime is the processor time of this process so far (getrusage(2)).
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0 // cannot be
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rule decides, by how many processors were in use.
type rule struct {
	all, now int
	// Of work that fills half of them but gains nothing from the rest, each
	// try is tolerated for longer than the one before is away.
	pause, rest time.Duration
}

const (
	firstPause = 500 * time.Millisecond
	longPause  = 30 * time.Second
)

func newRule(all int) rule { return rule{all: all, now: max(all/2, 1), pause: firstPause} }

// next returns the number for the time to come, after a time in which as many
// processors were in use.
func (r *rule) next(used float64, took time.Duration) int {
	half := max(r.all/2, 1)
	r.rest = max(r.rest-took, 0)
	switch {
	case r.now == half && used >= 0.97*float64(half) && r.rest == 0:
		r.now = r.all
	case r.now == half && used < 0.5*float64(half):
		r.pause = firstPause // other work
	case r.now == r.all && used < 0.51*float64(r.all):
		r.now, r.rest = half, r.pause
		r.pause = min(2*r.pause, longPause)
	}
	return r.now
}
