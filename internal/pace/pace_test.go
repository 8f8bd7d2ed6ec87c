package pace

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func TestRule(t *testing.T) {
	const tick = 100 * time.Millisecond
	r := newRule(8)
	step := func(used float64, want int) {
		t.Helper()
		if got := r.next(used, tick); got != want {
			t.Errorf("after %.1f of 8: %d, want %d (%+v)", used, got, want, r)
		}
	}
	step(0, 4)
	step(3.5, 4)
	step(3.95, 8) // half is not enough
	step(7, 8)
	step(4.5, 8)
	step(4, 4) // it is now
	step(4, 4) // and the rest gained nothing: not at once again
	for range 3 {
		step(4, 4)
	}
	step(4, 8)
	step(4, 4)
	for range 9 { // each time for longer
		step(4, 4)
	}
	step(4, 8)
	step(1, 4)
	step(1, 4) // something else
	if r.pause != firstPause {
		t.Errorf("pause %v", r.pause)
	}
}

func TestRuleOfFew(t *testing.T) {
	for _, all := range []int{2, 3} {
		r := newRule(all)
		if r.now != 1 || r.next(1, time.Second) != all || r.next(0.1, time.Second) != 1 {
			t.Errorf("of %d: %+v", all, r)
		}
	}
}

// A program that works gets all, one that rests half, and its end leaves the
// number as it was. How much the program can use is up to what else the machine
// does, so its use is given here. Not parallel: the number is the process's.
func TestRun(t *testing.T) {
	all := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(2)
	if New("7") != nil {
		t.Error("the person's own number is not respected")
	}
	defer runtime.GOMAXPROCS(all)
	p := New("")
	start := time.Now()
	var busy atomic.Bool
	var used atomic.Int64 // while it works, it has two processors
	p.used = func() time.Duration {
		if busy.Load() {
			used.Store(int64(2 * time.Since(start)))
		}
		return time.Duration(used.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	await := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); runtime.GOMAXPROCS(0) != want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d processors, want %d", runtime.GOMAXPROCS(0), want)
			}
		}
	}
	await(1)
	busy.Store(true)
	p.Wake()
	await(2)
	busy.Store(false)
	await(1)
	cancel()
	<-done
	if got := runtime.GOMAXPROCS(0); got != 2 {
		t.Errorf("afterwards %d", got)
	}
	var none *Pace
	none.Wake()
}

func TestCPUTime(t *testing.T) {
	before := cpuTime()
	for deadline := time.Now().Add(time.Minute); cpuTime() <= before; {
		if time.Now().After(deadline) {
			t.Fatal("a process that works uses no processor time")
		}
	}
}
