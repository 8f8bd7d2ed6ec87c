package query

import (
	"fmt"
	"strings"
)

// Error is a filter that cannot be read.
type Error struct {
	// Word is the part of the filter that is wrong, and At its position: the
	// first word of a filter is 1, zero where there is no such place.
	Word string
	At   int
	// Text is the whole message, Hint what was probably meant or what is
	// possible.
	Text string
	Hint string
}

func (e *Error) Error() string { return e.Text }

const shownWord = 64

// clip shortens what is quoted in a message.
func clip(s string) string {
	if len(s) <= shownWord {
		return s
	}
	return strings.ToValidUTF8(s[:shownWord], "") + "…"
}

// NewError returns the error of a word: "read WORD: why".
func NewError(word, why, hint string) *Error {
	return &Error{Word: word, Text: fmt.Sprintf("read %q: %s", clip(word), why), Hint: hint}
}
