package tap

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
)

// A keeper that is stopped does not take the time in which the account is to be written
// after a signal.
func TestPatienceAfterASignal(t *testing.T) {
	parent, interrupt := context.WithCancelCause(t.Context())
	ctx, cancel := context.WithTimeout(parent, time.Hour)
	defer cancel()
	interrupt(&kit.Interrupted{Signal: unix.SIGINT})
	if got := patience(ctx); got >= kit.InterruptPatience {
		t.Errorf("%v, of %v that the command has", got, kit.InterruptPatience)
	}
	other, end := context.WithCancel(t.Context())
	end()
	if got := patience(other); got != lastCounts {
		t.Errorf("%v without a signal", got)
	}
}
