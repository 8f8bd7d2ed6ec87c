package home

import (
	"slices"
	"sync"
)

// Shared lets concurrent callers share one reading that takes long, such as a
// walk of /proc. Its zero value is ready.
type Shared[T any] struct {
	mu   sync.Mutex
	now  *reading[T] // under way
	next *reading[T] // begins when now is over
}

type reading[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// Do returns what read returned when it was last called by one of the callers,
// and that call began after this one: what had happened before Do is seen. The
// callers share the value and must not change it.
func (s *Shared[T]) Do(read func() (T, error)) (T, error) {
	s.mu.Lock()
	if r := s.next; r != nil {
		s.mu.Unlock()
		<-r.done
		return r.value, r.err
	}
	r, before := &reading[T]{done: make(chan struct{})}, s.now
	s.next = r
	s.mu.Unlock()
	if before != nil {
		<-before.done
	}
	s.mu.Lock()
	s.now, s.next = r, nil
	s.mu.Unlock()
	r.value, r.err = read()
	s.mu.Lock()
	if s.now == r {
		s.now = nil
	}
	s.mu.Unlock()
	close(r.done)
	return r.value, r.err
}

// ProcessesOf returns the processes of a service among those found for all, by
// pid; of all services where it is "".
func ProcessesOf(service string, found map[string][]int) []int {
	if service != "" {
		return slices.Clone(found[service])
	}
	var out []int
	for _, pids := range found {
		out = append(out, pids...)
	}
	slices.Sort(out)
	return out
}
