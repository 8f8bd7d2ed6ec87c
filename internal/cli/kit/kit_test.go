package kit

import (
	"strings"
	"testing"
)

// One remark a run: more would hide the result.
func TestRemark(t *testing.T) {
	var errs strings.Builder
	k := &Kit{Err: &errs}
	k.Remark("first")
	k.Remark("second")
	k.Warn("third", "fourth")
	if got := errs.String(); got != "lodge: first\nlodge: third\nlodge: fourth\n" {
		t.Errorf("got %q", got)
	}
}
