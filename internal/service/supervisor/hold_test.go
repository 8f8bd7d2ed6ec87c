package supervisor

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"lodge/internal/service"
)

// holding is an engine that notes what it is told to keep open.
type holding struct {
	*fake
	mu    sync.Mutex
	calls []string
	once  bool // only the first Hold finds something
}

func (h *holding) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, what)
}

func (h *holding) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

func (h *holding) Hold(string) (int, error) {
	h.note("hold")
	if h.once && len(h.told()) > 1 {
		return 0, nil
	}
	return 1, nil
}

func (h *holding) Unhold(string) { h.note("unhold") }
func (h *holding) LetGo(string)  { h.note("let go") }

// TestHeldIsLetGo: listening sockets that were kept for a restart are let go when
// the new process fails, before the service is started again.
func TestHeldIsLetGo(t *testing.T) {
	r := newRig(t)
	h := &holding{fake: r.fake}
	r.Supervisor.inside = h
	r.define(r.spec("web", "[ ! -e broken ] || exit 3; touch up; "+forever, ready(service.Ready{Command: []string{"test", "-e", "up"}})))
	r.up()
	if err := os.Remove(filepath.Join(r.dir, "up")); err != nil {
		t.Fatal(err)
	}
	r.write("broken", "")
	done := make(chan error, 1)
	go func() { done <- r.Restart(r.ctx, nil) }() // the status says what became of it
	st := r.await("web", "failing", func(st service.Status) bool { return st.Failing != "" })
	if st.Failing != "ended with status 3" {
		t.Errorf("failing: %q", st.Failing)
	}
	r.stop()
	<-done
	if got, want := h.told(), []string{"hold", "let go"}; !slices.Equal(got, want) {
		t.Fatalf("told to %q, want %q", got, want)
	}
}
