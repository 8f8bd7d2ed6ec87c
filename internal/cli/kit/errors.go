package kit

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Exit statuses. After a signal it is 128 and the signal's number: see [Interrupted].
const (
	ExitDone    = 0
	ExitNotDone = 1
	ExitUsage   = 2
)

// UsageError is wrong usage, with a hint of what is right, or "".
type UsageError struct {
	Err  error
	Hint string
}

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Hinted is an error with a hint of what to do.
type Hinted struct {
	Err  error
	Hint string
}

func (e *Hinted) Error() string { return e.Err.Error() }
func (e *Hinted) Unwrap() error { return e.Err }

// ExitError ends the program with the status of the command that it ran, and
// prints nothing.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// Interrupted is the end of a command by a signal.
type Interrupted struct{ Signal unix.Signal }

func (e *Interrupted) Error() string { return "ended by a signal: " + e.Signal.String() }

// Status returns the exit status of a command that a signal ended, as shells have it.
func (e *Interrupted) Status() int { return 128 + int(e.Signal) }

// EndedBy returns the error of a command that a signal ended.
func EndedBy(s os.Signal) error {
	n, _ := s.(unix.Signal)
	return &Interrupted{n}
}
