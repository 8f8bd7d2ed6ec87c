package refs

import (
	"strings"
	"unicode/utf8"
)

const (
	// MaxValue is the size of the largest variable that Linux passes to a program,
	// in bytes, with its name, the "=" and a NUL (MAX_ARG_STRLEN, execve(2)).
	MaxValue = 128 << 10
	// MaxDepth bounds how deep "${…}" may be nested, so that the work stays in
	// proportion to the text.
	MaxDepth = 32
	// maxText bounds what [Variables] returns: in a text for [Expand] every "$" of
	// a value may be doubled.
	maxText = 2 * MaxValue
	// maxLookups bounds the bytes of all values that one text looks up, those that
	// it does not use included.
	maxLookups = 64 << 20
)

// HintTooLarge says what to do about a variable that is larger than [MaxValue].
const HintTooLarge = "Linux passes no larger one to a program: put the value into a file, and the file's path into the variable"

// expander replaces the variables of one text.
type expander struct {
	find     func(name string) (string, bool)
	lookedUp int // bytes
}

func (e *expander) lookup(name string, offset int) (string, bool, error) {
	v, ok := e.find(name)
	if e.lookedUp += len(v); e.lookedUp > maxLookups {
		return "", false, &Problem{Offset: offset, Text: "the variables in it are too large together", Own: true}
	}
	return v, ok, nil
}

func tooLarge(offset int) *Problem {
	return &Problem{Offset: offset, Text: "the value becomes larger than 128 KiB: " + HintTooLarge, Own: true}
}

// tooDeep returns the offset of the first "${" that is nested deeper than
// MaxDepth, or -1.
func tooDeep(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "$$"):
			i++
		case strings.HasPrefix(text[i:], "${"):
			if depth++; depth > MaxDepth {
				return i
			}
			i++
		case text[i] == '}' && depth > 0:
			depth--
		}
	}
	return -1
}

// short returns what an error quotes of a text.
func short(s string) string { return cut(s, 48) }

// cut returns at most limit bytes of a text, with an ellipsis where it is longer.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
