package taps

import (
	"errors"
	"runtime"
	"testing"

	"lodge/internal/bpf"
	"lodge/internal/helper/policy"
)

// TestHeld: probes that the kernel holds count as their user's until it has let go of
// them, and nobody begins anew meanwhile: a thread of this process waits for each.
func TestHeld(t *testing.T) {
	s := New(nil)
	const alice, mallory = 1001, 1002
	if err := s.usage.take(alice, 0, 1); err != nil {
		t.Fatal(err)
	}
	for range policy.UserProbes {
		if err := s.usage.takeProbe(alice); err != nil {
			t.Fatal(err)
		}
	}
	var no *NotProbedError
	if err := s.usage.takeProbe(alice); !errors.As(err, &no) {
		t.Errorf("one probe too many: %v", err)
	}
	gone := make(chan struct{})
	s.usage.hold(alice, policy.UserProbes, gone)
	s.usage.release(alice, 0, 1, nil)
	if !s.usage.holds(alice) || s.usage.holds(mallory) {
		t.Error("whose probes are held is not known")
	}
	var none *NoUprobesError
	if _, _, err := s.Probes(alice).Start(t.Context()); !errors.As(err, &none) || !errors.Is(err, bpf.ErrHeld) {
		t.Errorf("another tap meanwhile: %v", err)
	}
	close(gone)
	for s.usage.holds(alice) { // until it is noted
		runtime.Gosched()
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.usage.users) != 0 {
		t.Errorf("%d users have something", len(s.usage.users))
	}

	canary := make(chan struct{})
	s.trial.held = canary
	if err := s.trial.run(t.Context()); !errors.Is(err, bpf.ErrHeld) {
		t.Errorf("another canary meanwhile: %v", err)
	}
	close(canary)
	if err := s.trial.isHeld(); err != nil || s.trial.held != nil {
		t.Errorf("a canary after it: %v", err)
	}
}
