package probe

import (
	"testing"

	"lodge/internal/cli/look/probe/probecmd"
	"lodge/internal/probe"
)

// The help has the time limit that connections have.
func TestDefaultTimeout(t *testing.T) {
	if probecmd.DefaultTimeout != probe.DefaultTimeout {
		t.Errorf("%v in the help, %v in fact", probecmd.DefaultTimeout, probe.DefaultTimeout)
	}
}
