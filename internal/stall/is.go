package stall

import "errors"

// Is reports whether an error says that a process did not answer because it does
// not run, such as one that is stopped by a signal or held by a debugger.
func Is(err error) bool {
	var e *Error
	return errors.As(err, &e)
}
