package bpf

import (
	"os"
	"strings"
	"testing"
)

func TestProbe(t *testing.T) {
	root := os.Geteuid() == 0
	for _, f := range append(Probe(), ProbeLive(), ProbeTap()) {
		t.Logf("%-24s %-8s %s", f.Name, f.Status, f.Reason)
		if f.Reason == "" || strings.Contains(f.Reason, "\n") {
			t.Errorf("%s: reason %q is not one line", f.Name, f.Reason)
		}
		if !root && f.Status == No {
			t.Errorf("%s: %s: no, where an ordinary user cannot tell: %s", f.Name, f.Status, f.Reason)
		}
	}
}
