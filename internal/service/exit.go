package service

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ExitStatus is how a process ended.
type ExitStatus struct {
	PID    int
	Code   int // 128+signal where a signal ended it, as a shell says it
	Signal unix.Signal
}

// String returns the status in words: status 3, or signal SIGKILL.
func (x ExitStatus) String() string {
	if x.Signal != 0 {
		return "signal " + unix.SignalName(x.Signal)
	}
	return fmt.Sprintf("status %d", x.Code)
}

// Ended notes how the main process of a service, or a command, ended.
func (st *Status) Ended(x ExitStatus) {
	code := x.Code
	st.Exit, st.Signal = &code, ""
	if x.Signal != 0 {
		st.Signal = unix.SignalName(x.Signal)
	}
}
