package syntax

import (
	"fmt"
	"unicode/utf8"
)

// Ellipsis quotes s for a message, without control characters and not longer
// than a person reads.
func Ellipsis(s string) string {
	const longest = 48
	if utf8.RuneCountInString(s) > longest {
		s = string([]rune(s)[:longest-1]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
