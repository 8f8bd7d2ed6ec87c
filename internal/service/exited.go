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

// ended notes that the service has ended by itself, and is not started again.
func (r *runner) ended(x ExitStatus, how string, p *process) {
	if x.Code == 0 {
		r.say("ended with status 0")
		r.change(func(st *Status) { st.State, st.PID, st.Reason = Exited, 0, "ended with status 0" })
		r.sup.notify()
		return
	}
	r.fail(r.failure("ended with "+how, p))
}
