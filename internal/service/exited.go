package service

import "golang.org/x/sys/unix"

// ended notes how the main process of a service, or a command, ended.
func (st *Status) ended(x ExitStatus) {
	code := x.Code
	st.Exit, st.Signal = &code, ""
	if x.Signal != 0 {
		st.Signal = unix.SignalName(x.Signal)
	}
}
