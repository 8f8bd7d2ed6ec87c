package home

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestShared: many callers share few readings, and each gets one that began
// after its call.
func TestShared(t *testing.T) {
	var s Shared[int64]
	var happened, readings atomic.Int64
	gate := make(chan struct{})
	first := make(chan struct{})
	var once sync.Once
	read := func() (int64, error) {
		seen := happened.Load()
		if readings.Add(1) == 1 {
			once.Do(func() { close(first) })
			<-gate // so that the others come while it is under way
		}
		return seen, nil
	}
	var all sync.WaitGroup
	ask := func() {
		mine := happened.Add(1)
		if got, err := s.Do(read); err != nil || got < mine {
			t.Errorf("read %d, %v: what happened before the call is %d", got, err, mine)
		}
	}
	all.Go(ask)
	<-first
	const callers = 100
	for range callers {
		all.Go(ask)
	}
	close(gate)
	all.Wait()
	if _, err := s.Do(read); err != nil {
		t.Error(err)
	}
	if s.now != nil || s.next != nil {
		t.Error("a reading is left")
	}
}

// TestSharedByAll: those who wait for the same reading get one reading.
func TestSharedByAll(t *testing.T) {
	var s Shared[int]
	gate, began := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_, _ = s.Do(func() (int, error) { close(began); <-gate; return 0, nil })
	})
	<-began
	var readings atomic.Int64
	const callers = 50
	for range callers {
		all.Go(func() {
			_, _ = s.Do(func() (int, error) { return int(readings.Add(1)), nil })
		})
	}
	close(gate)
	all.Wait()
	if n := readings.Load(); n < 1 || n > callers {
		t.Errorf("%d readings for %d callers", n, callers)
	}
}
