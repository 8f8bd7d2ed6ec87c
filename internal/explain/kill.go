package explain

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/pidfd"
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

// End asks a process to end (SIGTERM) and waits until it has, at most for
// patience. Its errors are those of pidfd.End.
func End(ctx context.Context, v Victim, patience time.Duration) error {
	return pidfd.End(ctx, v.PID, v.start, unix.SIGTERM, patience)
}
