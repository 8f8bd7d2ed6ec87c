// Package reaper waits for the children of this process and for the orphans that it
// inherits, and ends all processes of a service.
package reaper

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/service"
)

// Reaper waits for every child of this process, also for the orphans that a
// subreaper inherits (prctl(2), PR_SET_CHILD_SUBREAPER). Nothing else in the
// process may wait for children.
type Reaper struct {
	// mu guards all below. It is not held while a process is started.
	mu       sync.Mutex
	starting int                             // starts under way
	early    map[int]unix.WaitStatus         // reaped before their start returned
	waiting  map[int]chan service.ExitStatus // started, not yet reaped
	orphans  map[chan struct{}]struct{}      // told of every exit

	stop chan struct{}
	done chan struct{}
}

// New makes this process a subreaper and starts to wait for children.
func New() (*Reaper, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, os.NewSyscallError("prctl", err)
	}
	r := &Reaper{
		early:   make(map[int]unix.WaitStatus),
		waiting: make(map[int]chan service.ExitStatus),
		orphans: make(map[chan struct{}]struct{}),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	sig := make(chan os.Signal, 1)
	signal.Notify(sig, unix.SIGCHLD)
	go func() {
		defer close(r.done)
		defer signal.Stop(sig)
		for {
			r.reapAll()
			select {
			case <-sig:
			case <-r.stop:
				return
			}
		}
	}()
	return r, nil
}

// Close stops waiting for children.
func (r *Reaper) Close() {
	close(r.stop)
	<-r.done
}

// Start calls start, which must start a child and return its process id, and
// returns the channel on which that child's end arrives.
func (r *Reaper) Start(start func() (int, error)) (int, <-chan service.ExitStatus, error) {
	r.mu.Lock()
	r.starting++
	r.mu.Unlock()
	pid, err := start()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starting--
	var ch chan service.ExitStatus
	if err == nil {
		ch = make(chan service.ExitStatus, 1)
		if ws, ok := r.early[pid]; ok {
			ch <- exitStatus(pid, ws)
		} else {
			r.waiting[pid] = ch
		}
	}
	if r.starting == 0 {
		clear(r.early)
	}
	return pid, ch, err
}

// Exits returns a channel that gets a value after any child or orphan ended;
// values coalesce. Call the function to end it.
func (r *Reaper) Exits() (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	r.mu.Lock()
	r.orphans[ch] = struct{}{}
	r.mu.Unlock()
	return ch, func() {
		r.mu.Lock()
		delete(r.orphans, ch)
		r.mu.Unlock()
	}
}

func (r *Reaper) reapAll() {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if !ws.Exited() && !ws.Signaled() {
			continue
		}
		r.mu.Lock()
		if ch, ok := r.waiting[pid]; ok {
			delete(r.waiting, pid)
			ch <- exitStatus(pid, ws)
		} else if r.starting > 0 {
			r.early[pid] = ws
		}
		for ch := range r.orphans {
			select {
			case ch <- struct{}{}:
			default:
			}
		}
		r.mu.Unlock()
	}
}

func exitStatus(pid int, ws unix.WaitStatus) service.ExitStatus {
	if ws.Signaled() {
		return service.ExitStatus{PID: pid, Code: 128 + int(ws.Signal()), Signal: ws.Signal()}
	}
	return service.ExitStatus{PID: pid, Code: ws.ExitStatus()}
}
