package model

import "strings"

// Error says which operation failed on what, why, and what to do about it.
type Error struct {
	// Operation is a verb: "end", "read". Object is what it was done to.
	Operation, Object string
	// Cause is why; it may be wrapped by [Error.Unwrap].
	Cause error
	// Hint is what to do, without "hint:"; "" for nothing.
	Hint string
	// Kind names the kind of failure for programs; "" where none is told apart.
	Kind string
}

// Error returns "operation object: cause".
func (e *Error) Error() string {
	s := strings.TrimSpace(e.Operation + " " + e.Object)
	switch {
	case e.Cause == nil:
		return s
	case s == "":
		return e.Cause.Error()
	}
	return s + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
