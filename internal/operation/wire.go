package operation

import (
	"errors"
	"strings"

	"lodge/internal/localapi"
	"lodge/internal/project"
	"lodge/internal/stall"
)

// WireError returns an error of an operation as it travels to a client: one line,
// with a hint, the exit status of a command that would fail with it, and for a
// mistake in a project's file its place.
func WireError(err error) *localapi.Error {
	out := &localapi.Error{}
	var e *localapi.Error
	var file *project.Error
	var halted *stall.Error
	var none *NotUpError
	switch {
	case errors.As(err, &e):
		*out = *e
	case errors.As(err, &file):
		out.Status, out.File, out.Line, out.Column = 2, file.File, file.Line, file.Column
	case errors.As(err, &halted):
		out.Hint = halted.Hint()
	case errors.As(err, &none):
		out.Hint = none.Hint()
	}
	out.Message = strings.ReplaceAll(err.Error(), "\n", "; ")
	return out
}
