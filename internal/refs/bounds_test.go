package refs

import (
	"errors"
	"strings"
	"testing"
)

// TestBounds: neither values nor nesting make the work grow without end. Each text
// would take minutes or gigabytes without its bound.
func TestBounds(t *testing.T) {
	large := strings.Repeat("v", 100<<10)
	get := func(n string) (string, bool) {
		if n == "BIG" {
			return large, true
		}
		return "", false
	}
	nested := func(n int) string { return strings.Repeat("${A:-", n) + "x" + strings.Repeat("}", n) }
	for _, c := range []struct {
		name, in string
		offset   int
		text     string
	}{
		{"value", "ab" + strings.Repeat("${BIG}", 100_000), 14, "larger than 128 KiB"},
		{"value in a default", "${A:-" + strings.Repeat("$BIG", 100_000) + "}", 13, "larger than 128 KiB"},
		{"unused", strings.Repeat("${BIG:+}", 100_000), 8 * (maxLookups / (100 << 10)), "too large together"},
		{"nested", "x" + nested(100_000), 1 + 5*MaxDepth, "nested deeper"},
		{"nested, and not used", "${BIG:-" + nested(100_000) + "}", 7 + 5*(MaxDepth-1), "nested deeper"},
		{"not closed", strings.Repeat("${", 300_000), 2 * MaxDepth, "nested deeper"},
		{"long form", "${BIG" + strings.Repeat("!", 300_000) + "}", 0, "no form"},
	} {
		got, err := Variables(c.in, get)
		var p *Problem
		if !errors.As(err, &p) || p.Offset != c.offset || !strings.Contains(p.Text, c.text) || len(p.Text) > 1000 {
			t.Errorf("%s: %d bytes, %.300v at %+v", c.name, len(got), err, p)
		}
	}
	if got, err := Variables(nested(MaxDepth), get); err != nil || got != "x" {
		t.Errorf("as deep as may be: %.100q, %v", got, err)
	}
	if got := Find(strings.Repeat("${a", 300_000) + "}"); len(got) != 0 {
		t.Errorf("%d references", len(got))
	}
}
