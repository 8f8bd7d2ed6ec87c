package taps

import (
	"errors"
	"fmt"
	"os"

	"lodge/internal/bpf"
	"lodge/internal/fdpass"
	"lodge/internal/helperapi"
)

// maxRings is how many descriptors of rings one reply brings.
const maxRings = 32

// NoSuchTapError says that the client has no such tap.
type NoSuchTapError struct{ ID uint64 }

func (e *NoSuchTapError) Error() string {
	return fmt.Sprintf("tap %d: this client has none of that number", e.ID)
}

// Rings returns descriptors of rings, from the first one on.
func (t *Taps) Rings(id uint64, first int) (_ []*os.File, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.open[id]
	if one == nil {
		return nil, &NoSuchTapError{id}
	}
	rings := one.Rings()
	if first < 0 || first >= len(rings) {
		return nil, fmt.Errorf("tap %d: ring %d of %d", id, first, len(rings))
	}
	var files []*os.File
	for _, r := range rings[first:min(len(rings), first+maxRings)] {
		f, err := r.File()
		if err != nil {
			return nil, errors.Join(err, fdpass.Close(files))
		}
		files = append(files, f)
	}
	return files, nil
}

// Counts returns what became of a tap's packets until now.
func (t *Taps) Counts(id uint64) (helperapi.TapCounts, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.open[id]
	if one == nil {
		return helperapi.TapCounts{}, &NoSuchTapError{id}
	}
	c, err := one.kernelTap.Counts()
	return counts(c), err
}

// End ends a tap, and returns what became of all of its packets.
func (t *Taps) End(id uint64) (helperapi.TapCounts, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.open[id]
	if one == nil {
		return helperapi.TapCounts{}, &NoSuchTapError{id}
	}
	delete(t.open, id)
	return t.end(one)
}

// end ends a tap that was taken out of the table. The caller holds mu.
func (t *Taps) end(one *tap) (helperapi.TapCounts, error) {
	err := one.Close()
	c, cerr := one.Counts()
	rings := one.Rings()
	t.all.usage.release(t.uid, 1, one.bytes, rings)
	if one.space != nil {
		err = errors.Join(err, t.all.leave(*one.space))
	} else {
		t.all.leaveUnix(t.uid)
	}
	return counts(c), errors.Join(err, cerr)
}

// Close ends all taps of the client.
func (t *Taps) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for id, one := range t.open {
		delete(t.open, id)
		_, err := t.end(one)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// counts are the protocol's of the program's.
func counts(c bpf.TapCounts) helperapi.TapCounts {
	return helperapi.TapCounts{
		Seen: helperapi.TapCount(c.Seen), Delivered: helperapi.TapCount(c.Delivered),
		RingFull: helperapi.TapCount(c.RingFull), NoRing: helperapi.TapCount(c.NoRing), Failed: helperapi.TapCount(c.Failed),
		NotAllowed: helperapi.TapCount(c.NotAllowed), Acks: helperapi.TapCount(c.Acks), Filtered: helperapi.TapCount(c.Filtered),
		TooLarge: helperapi.TapCount(c.TooLarge), NotCopied: helperapi.TapCount(c.NotCopied), NoRoom: helperapi.TapCount(c.NoRoom),
	}
}
