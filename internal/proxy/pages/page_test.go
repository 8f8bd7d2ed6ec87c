package pages

import (
	"strings"
	"testing"
)

// FuzzPrintable: what a page shows of a service's output is printable.
func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\x1b[")
	f.Fuzz(func(t *testing.T, s string) {
		out := printable(s)
		if len(out) > 3*logWidth+3 || strings.ContainsFunc(out, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			t.Fatalf("%q gave %q", s, out)
		}
	})
}
