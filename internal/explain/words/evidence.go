package words

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// Socket returns a socket as evidence: its line, and the same in fields.
func Socket(f *facts.Facts, r *sockets.Row) model.Evidence { return SocketAs(r, Line(f, r)) }

// SocketAs returns a socket as evidence, with a text of the caller's.
func SocketAs(r *sockets.Row, text string) model.Evidence {
	s := &model.Socket{
		Protocol: r.Protocol, State: r.State, Local: endpoint(r.Local), Remote: endpoint(r.Remote), Path: r.Path, Inode: r.Inode, Namespace: r.Namespace,
	}
	for _, p := range r.Processes {
		s.Processes = append(s.Processes, processOf(p))
	}
	return model.Evidence{Kind: model.KindSocket, Text: text, Socket: s}
}

func endpoint(a *sockets.Address) *model.Endpoint {
	if a == nil {
		return nil
	}
	return &model.Endpoint{IP: a.IP, Port: a.Port}
}

func processOf(p *sockets.Process) model.Process {
	return model.Process{
		PID: p.PID, Start: p.Start, StartedAt: p.StartedAt, Name: p.Name, Command: p.Command, Directory: p.Directory, User: p.User,
	}
}

// ProcessAs returns a process as evidence, with a text of the caller's.
func ProcessAs(p *sockets.Process, text string) model.Evidence {
	q := processOf(p)
	return model.Evidence{Kind: model.KindProcess, Text: text, Process: &q}
}

// Holders returns evidence about those that hold a socket: command, what it
// forwards to, limits, start, directory, parents.
func Holders(f *facts.Facts, r *sockets.Row) []model.Evidence {
	var out []model.Evidence
	for _, p := range Shown(f, r) {
		say := func(text string) { out = append(out, ProcessAs(p, text)) }
		if p.Command != "" {
			say(fmt.Sprintf("pid %d runs %s", p.PID, p.Command))
		}
		if to := Forwards(p); to != "" {
			say(to)
		}
		if s := Deleted(p); s != "" {
			say(s)
		}
		for _, s := range f.Processes[p.PID].Limits {
			say(s)
		}
		if p.StartedAt != nil {
			say(fmt.Sprintf("started %s", Ago(f.Now.Sub(*p.StartedAt))))
		}
		if p.Directory != "" {
			say("in " + p.Directory)
		}
		if chain := Parents(f, p.PID); chain != "" {
			say("started by " + chain)
		}
	}
	return out
}

// OutOfDescriptors returns evidence that a holder of a socket cannot accept, since
// it has as many descriptors as it may; false where none has.
func OutOfDescriptors(f *facts.Facts, r *sockets.Row) (model.Evidence, bool) {
	for _, p := range r.Processes[:min(len(r.Processes), 4)] {
		if d, ok := f.Descriptors[p.PID]; ok && d.Open >= d.Limit {
			return model.Evidence{
				Kind:  model.KindLimit,
				Text:  fmt.Sprintf("%s has no free descriptor: %d of %d open files (RLIMIT_NOFILE), so accept fails with EMFILE", Process(p), d.Open, d.Limit),
				Limit: &model.Limit{Name: "RLIMIT_NOFILE", Used: uint64(d.Open), Max: uint64(d.Limit), PID: p.PID},
			}, true
		}
	}
	return model.Evidence{}, false
}

// Backlog returns the queue of a listener as evidence.
func Backlog(r *sockets.Row) model.Evidence {
	e := model.Evidence{
		Kind: model.KindLimit, Text: fmt.Sprintf("%d connections wait for accept, and %d may", *r.Backlog, *r.BacklogLimit),
		Limit: &model.Limit{Name: "backlog", Used: uint64(*r.Backlog), Max: uint64(*r.BacklogLimit)},
	}
	if len(r.Processes) > 0 {
		e.Limit.PID = r.Processes[0].PID
	}
	return e
}

// File returns the path of a Unix socket as evidence.
func File(u *facts.UnixSocket) model.Evidence {
	f := &model.File{Path: u.Path, Mode: u.Mode, User: u.User, Group: u.Group}
	switch {
	case u.Socket:
		f.Type = "socket"
	case u.Directory:
		f.Type = "directory"
	case u.Exists:
		f.Type = "other"
	}
	return model.Evidence{Kind: model.KindFile, Text: Describe(u), File: f}
}

// ServiceState returns what lodge says of a service as evidence: its state, and the
// reason where there is one.
func ServiceState(project string, s *facts.Service) []model.Evidence {
	e := model.Evidence{Kind: model.KindService, Text: fmt.Sprintf("lodge says: %s is %s", s.Name, s.State), Service: &model.Service{
		Project: project, Name: s.Name, State: s.State, Reason: s.Reason, Exit: s.Exit,
	}}
	if s.Reason == "" {
		return []model.Evidence{e}
	}
	why := e
	why.Text = "because " + s.Reason
	return []model.Evidence{e, why}
}
