package service

import (
	"sync"
	"testing"
)

// holding is an engine that notes what it is told to keep open.
type holding struct {
	*fake
	mu    sync.Mutex
	calls []string
}

func (h *holding) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, what)
}

func (h *holding) Hold(string) (int, error) { h.note("hold"); return 1, nil }
func (h *holding) Unhold(string)            { h.note("unhold") }
func (h *holding) LetGo(string)             { h.note("let go") }

// TestHeldIsLetGo: listening sockets that were kept for a restart are let go when
// the new process fails, before the service is started again.
func TestHeldIsLetGo(t *testing.T) {
	r := newRig(t)
	h := &holding{fake: r.fake}
	r.Supervisor.inside = h
	r.define(r.spec("web", "[ ! -e broken ] || exit 3; "+forever))
	r.up()
	r.write("broken", "")
	_ = r.Restart(r.ctx, nil) // the status says what became of it
	st := r.await("web", "failing", func(st Status) bool { return st.State == Backoff })
	if st.Failing != "ended with status 3" {
		t.Errorf("failing: %q", st.Failing)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.calls) < 2 || h.calls[0] != "hold" {
		t.Fatalf("told to %q", h.calls)
	}
}
