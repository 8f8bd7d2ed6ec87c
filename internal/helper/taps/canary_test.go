package taps

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"lodge/internal/bpf"
)

// TestCanaryHangs: a canary that does not end is given up, and ended.
func TestCanaryHangs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it needs root")
	}
	err := New(nil).trial.probe(t.Context(), []string{"/bin/sleep", "1000"}, 10*time.Millisecond)
	if errors.Is(err, bpf.ErrNoUprobes) {
		t.Skip("no uprobes here: ", err)
	}
	if err == nil || !strings.Contains(err.Error(), "it did not end") {
		t.Errorf("error %v", err)
	}
}
