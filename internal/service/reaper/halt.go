package reaper

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/service"
)

// Processes are those inside a home, by the names of services.
type Processes interface {
	// Pids returns the processes of a service.
	Pids(service string) ([]int, error)
	// Kill ends them with SIGKILL.
	Kill(service string) error
}

// blindMost is how often Halt looks for processes, 20 ms apart, when it cannot
// see.
const blindMost = 100

// Halt ends every process of a service or command: a signal, a grace time, then
// SIGKILL. exit is where the end of its main process arrives, gone: it has ended. It
// returns when no process is left, and reports whether it killed what had not ended in
// time.
func (r *Reaper) Halt(inside Processes, name string, pid int, exit <-chan service.ExitStatus, gone bool, sig unix.Signal, grace time.Duration) (status service.ExitStatus, killed bool) {
	exits, done := r.Exits()
	defer done()
	if !gone {
		// Engines that follow processes by their parents know afterwards what was
		// below it.
		_, _ = inside.Pids(name)
		// The process leads a session, and so a process group, of its own.
		if err := unix.Kill(-pid, sig); err != nil {
			_ = unix.Kill(pid, sig)
		}
		_ = unix.Kill(-pid, unix.SIGCONT) // a stopped process cannot end
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	told := make(map[int]bool)
	blind := 0 // looks in a row that failed
	for {
		if !gone {
			// What else is there does not matter until it has ended.
			select {
			case status = <-exit:
				gone = true
			case <-timer.C:
				killed = true
				_ = inside.Kill(name)
				timer.Reset(time.Second)
			}
			continue
		}
		pids, err := inside.Pids(name)
		if err == nil || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrClosed) {
			blind = 0
		} else {
			blind++ // such as no descriptor free just now: that does not mean that there is none
		}
		if len(pids) == 0 && (blind == 0 || blind > blindMost) {
			return status, killed
		}
		if killed {
			_ = inside.Kill(name)
		} else {
			// What is left moved to a session of its own: it gets the signal too.
			for _, p := range pids {
				if !told[p] && p != pid {
					told[p] = true
					_ = unix.Kill(p, sig)
					_ = unix.Kill(p, unix.SIGCONT) // it may be stopped too
				}
			}
		}
		// A process whose parent is inside too is reaped by that parent, of which
		// this process hears nothing: look again after a while.
		again := time.NewTimer(20 * time.Millisecond)
		select {
		case <-exits:
		case <-again.C:
		case <-timer.C:
			killed = true
			timer.Reset(time.Second)
		}
		again.Stop()
	}
}
