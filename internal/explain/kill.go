package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/words"
	"lodge/internal/model"
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

// Victims returns the processes that would have to end for the address to be
// free: of those that share a socket, the ones that started the others. None is
// lodge's own.
func Victims(f *facts.Facts) []Victim {
	r := Report(f)
	rows := make([]*sockets.Row, 0, len(r.Listeners))
	if f.Name != nil && f.Web() {
		// A name means its service, and not lodge, which serves it.
		for i := range r.Serving {
			rows = append(rows, &r.Serving[i])
		}
	}
	for i := range r.Listeners {
		rows = append(rows, &r.Listeners[i])
	}
	if len(rows) == 0 {
		rows = append(rows, f.At(func(row *sockets.Row) bool { return row.State == "bound" })...)
	}
	if len(rows) == 0 {
		for i := range r.Connections {
			rows = append(rows, &r.Connections[i])
		}
	}
	holders := make(map[int]*sockets.Process)
	of := make(map[int]*sockets.Row)
	for _, row := range rows {
		for _, p := range f.Foreign(row.Processes) {
			holders[p.PID], of[p.PID] = p, row
		}
	}
	var out []Victim
	for pid, p := range holders {
		if slices.ContainsFunc(f.Processes[pid].Ancestors, func(a facts.Ancestor) bool { return holders[a.PID] != nil }) {
			continue // its parent is asked, and ends it
		}
		v := Victim{PID: pid, Name: words.Printable(p.Name), Command: p.Command, User: p.User, start: p.Start}
		row := of[pid]
		switch q := f.ProjectNamed(row.Project); {
		case q != nil && row.Service != "":
			v.Warning = fmt.Sprintf("it is service %s of project %s, which lodge may start again", row.Service, row.Project)
			v.Stop = fmt.Sprintf("cd %s && lodge down %s", words.ShellWord(q.Path), row.Service)
		case p.Container != "":
			v.Warning, v.Stop = "it runs in container "+words.Short(p.Container), "docker stop "+words.Short(p.Container)
		case words.IsUnit(p):
			v.Warning, v.Stop = "systemd may start it again", "systemctl stop "+p.Unit
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b Victim) int { return a.PID - b.PID })
	return out
}

// NoVictim returns why no process can be asked to end and what to do, where a service
// has ended or only processes of lodge itself hold the address; it is nil otherwise.
func NoVictim(f *facts.Facts) *model.Error {
	held := func(by, hint string) *model.Error {
		return &model.Error{Operation: "end", Object: "process", Cause: errors.New("it is held by " + by), Hint: hint}
	}
	if k := f.Kept; k != nil && k.Name != "" && !k.Held {
		return held(
			fmt.Sprintf("nobody: service %s of project %s %s", k.Name, k.Project, words.Does(&k.Service)),
			fmt.Sprintf("cd %s && lodge logs %s", words.ShellWord(k.Path), k.Name))
	}
	r := Report(f)
	for _, rows := range [][]sockets.Row{r.Listeners, r.Connections} {
		for i := range rows {
			if p := f.HeldByLodge(&rows[i]); p != nil {
				return held(strings.TrimSuffix(words.LodgeHolder(f, &rows[i], p), ","), words.StopLodge(f, &rows[i], p))
			}
		}
	}
	return nil
}

// End asks a process to end (SIGTERM) and waits until it has, at most for
// patience. Its errors are those of pidfd.End.
func End(ctx context.Context, v Victim, patience time.Duration) error {
	return pidfd.End(ctx, v.PID, v.start, unix.SIGTERM, patience)
}
