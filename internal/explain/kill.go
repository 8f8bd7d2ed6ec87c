package explain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/sockets"
)

// Victim is a process that holds what was asked about, and that can be asked
// to end.
type Victim struct {
	PID     int
	Name    string
	Command string
	User    string
	// Warning says why it may come back, or is better stopped otherwise; Stop
	// is the command for that.
	Warning, Stop string
	start         uint64
}

// Victims gives the processes that would have to end for the address to be
// free: of those that share a socket, the ones that started the others.
func (f *Facts) Victims() []Victim {
	r := f.Report()
	rows := make([]*sockets.Row, 0, len(r.Listeners))
	for i := range r.Listeners {
		rows = append(rows, &r.Listeners[i])
	}
	if len(rows) == 0 {
		rows = append(rows, f.at(func(row *sockets.Row) bool { return row.State == "bound" })...)
	}
	if len(rows) == 0 {
		for i := range r.Connections {
			rows = append(rows, &r.Connections[i])
		}
	}
	holders := make(map[int]*sockets.Process)
	of := make(map[int]*sockets.Row)
	for _, row := range rows {
		for _, p := range row.Processes {
			holders[p.PID], of[p.PID] = p, row
		}
	}
	var out []Victim
	for pid, p := range holders {
		if slices.ContainsFunc(f.Processes[pid].Ancestors, func(a Ancestor) bool { return holders[a.PID] != nil }) {
			continue // its parent is asked, and ends it
		}
		v := Victim{PID: pid, Name: printable(p.Name), Command: p.Command, User: p.User, start: p.Start}
		row := of[pid]
		switch q := f.named(row.Project); {
		case q != nil && row.Service != "":
			v.Warning = fmt.Sprintf("it is service %s of project %s, which lodge may start again", row.Service, row.Project)
			v.Stop = fmt.Sprintf("cd %s && lodge down %s", ShellWord(q.Path), row.Service)
		case p.Container != "":
			v.Warning, v.Stop = "it runs in container "+short(p.Container), "docker stop "+short(p.Container)
		case isUnit(p):
			v.Warning, v.Stop = "systemd may start it again", "systemctl stop "+p.Unit
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b Victim) int { return a.PID - b.PID })
	return out
}

// Errors of End.
var (
	// ErrAlreadyGone says that the process has ended by itself.
	ErrAlreadyGone = errors.New("it has ended already")
	// ErrStillThere says that the process did not end in time.
	ErrStillThere = errors.New("it has not ended")
)

// End asks a process to end (SIGTERM) and waits until it has, at most for
// patience. It never signals another process that has got the same number: the
// process is held by a pidfd, and its start time is compared after that.
func End(ctx context.Context, v Victim, patience time.Duration) error {
	if v.PID <= 1 || v.PID == os.Getpid() {
		return fmt.Errorf("end process %d: it is not to be ended this way", v.PID)
	}
	fd, err := unix.PidfdOpen(v.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end process %d: %w", v.PID, ErrAlreadyGone)
	}
	if err != nil {
		return fmt.Errorf("end process %d: %w", v.PID, err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing is written
	// A zombie whose other threads go on has more than one.
	if st, ok := stat(v.PID); !ok || st.Start != v.start || st.State == 'Z' && st.Threads <= 1 {
		return fmt.Errorf("end process %d: %w", v.PID, ErrAlreadyGone)
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("end process %d: %w", v.PID, ErrAlreadyGone)
		}
		return fmt.Errorf("end process %d: %w", v.PID, err)
	}
	if st, ok := stat(v.PID); ok && (st.State == 'T') {
		// A stopped process takes the signal when it goes on.
		_ = unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0) // it may be gone by now
	}
	return waitEnd(ctx, fd, v.PID, patience)
}

// waitEnd waits until a pidfd becomes readable, which is when the process has
// ended (pidfd_open(2)).
func waitEnd(ctx context.Context, fd, pid int, patience time.Duration) error {
	// A second descriptor becomes readable when the context ends, so that one
	// poll waits for both.
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("wait for process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(pipe[0]) }()
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { _ = unix.Close(pipe[1]); close(closed) })
	defer func() {
		if stop() {
			_ = unix.Close(pipe[1])
		} else {
			<-closed
		}
	}()
	deadline := time.Now().Add(patience)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("end process %d: %w after %s", pid, ErrStillThere, patience)
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(pipe[0]), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(left.Milliseconds())+1)
		switch {
		case errors.Is(err, unix.EINTR) || n == 0 && err == nil:
		case err != nil:
			return fmt.Errorf("wait for process %d: %w", pid, err)
		case fds[0].Revents != 0:
			return nil
		default:
			return ctx.Err()
		}
	}
}
