package helperapi

import (
	"errors"
	"fmt"
	"strings"
)

// ErrGone is the error of every call after the helper has ended, or has closed
// the connection.
var ErrGone = errors.New("the helper has gone")

// Code says what kind of error the helper answered, where a caller may do
// something about it.
type Code string

// The codes of errors.
const (
	// HomeTaken: another user has that address. Another one may be free.
	HomeTaken Code = "home_taken"
	// TooManyHomes: the user has as many homes as one may have.
	TooManyHomes Code = "too_many_homes"
	// NotYours: another user has that name, port or home.
	NotYours Code = "not_yours"
	// TooManyTaps: the user has as many taps, or as much memory for their rings, as
	// one may have; or there are as many taps as there may be.
	TooManyTaps Code = "too_many_taps"
	// NoTap: this kernel has no taps for this user.
	NoTap Code = "no_tap"
	// NoUprobes: this kernel has no uprobes, or they are not used on it.
	NoUprobes Code = "no_uprobes"
	// NotProbed: the file is not for this user to probe.
	NotProbed Code = "not_probed"
	// UnknownOperation: this helper does not know the operation, since it is
	// older than the client.
	UnknownOperation Code = "unknown_operation"
	// TooManyCalls: as many calls are under way on the connection as there may be.
	TooManyCalls Code = "too_many_calls"
	// Canceled: the client gave the call up. What it had made is undone.
	Canceled Code = "canceled"
)

// Error is what the helper answered: that it could not do something.
type Error struct {
	// Op is what was asked for, such as "create home 127.83.20.7".
	Op string
	// Cause is the helper's one line.
	Cause string
	// Code is empty for most errors.
	Code Code
	// Owner is the user who has what was asked for, where Code is NotYours or
	// HomeTaken and that is known.
	Owner *uint32
}

func (e *Error) Error() string { return e.Op + ": " + e.Cause }

// Hint returns the command that helps, or "".
func (e *Error) Hint() string {
	switch e.Code {
	case UnknownOperation:
		return renewHelper
	case NoTap:
		return "sudo lodge tap, which may see the packets of all users"
	}
	return ""
}

// Taken reports whether an address could not be a home because another user has
// it.
func Taken(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == HomeTaken
}

// VersionError says that the helper is of another version than this program.
type VersionError struct{ Helper, Program int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("greet helper: it speaks version %d, this program %d; install the same version of both", e.Helper, e.Program)
}

// renewHelper installs the helper anew, from beside the program that runs.
const renewHelper = "sudo lodge setup"

// Hint returns the command that renews the older of the two.
func (e *VersionError) Hint() string {
	if e.Helper < e.Program {
		return renewHelper
	}
	return "this program is the older one: install it anew, or go back to its helper: " + renewHelper
}

// OneLine joins the lines of an error, as the verifier and errors.Join write
// them, and bounds it.
func OneLine(err error) string {
	s := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; ")
	if len(s) > 2000 {
		s = s[:2000] + "…"
	}
	return s
}
