package screen

import "sync"

// Buffer holds values from another goroutine until the screen takes them. It
// drops the oldest when values come faster than they are taken.
type Buffer[T any] struct {
	most int // values held

	mu      sync.Mutex // guards the rest
	values  []T
	skipped int
	woken   bool
}

// NewBuffer returns a buffer that holds at most the given number of values.
func NewBuffer[T any](most int) *Buffer[T] { return &Buffer[T]{most: most} }

// Add adds a value. It reports whether it is the first one since the last call
// of Take: the receiver is to be woken then, and only then.
func (b *Buffer[T]) Add(v T) (wake bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.values) >= b.most {
		n := (b.most + 1) / 2
		b.values = append(b.values[:0], b.values[n:]...)
		b.skipped += n
	}
	b.values = append(b.values, v)
	wake = !b.woken
	b.woken = true
	return wake
}

// Take returns the values in the order in which they were added, and how many
// were dropped before them, and empties the buffer.
func (b *Buffer[T]) Take() (values []T, skipped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	values, skipped = b.values, b.skipped
	b.values, b.skipped, b.woken = nil, 0, false
	return values, skipped
}
