package view

import (
	"cmp"
	"strconv"
	"strings"

	"lodge/internal/sockets"
)

// Party has the processes of one end of a connection or of a listener, as far as they
// are known, and their project and service.
type Party struct {
	Processes []*sockets.Process
	Unknown   bool
	Closed    *sockets.Process
	Project   string
	Service   string
}

func ownerOf(r *sockets.Row) Party {
	return Party{Processes: r.Processes, Unknown: r.Unknown, Closed: r.Closed, Project: r.Project, Service: r.Service}
}

func peerOf(r *sockets.Row) Party {
	if r.Peer == nil {
		return Party{}
	}
	return Party{Processes: r.Peer.Processes, Unknown: r.Peer.Unknown, Project: r.Peer.Project, Service: r.Peer.Service}
}

// program returns the processes as text: node[412], nginx[10]+3, ? where they
// may not be seen, (curl[99]) where they are gone, - where there are none.
func (p Party) program() string {
	switch {
	case len(p.Processes) > 0:
		s := p.Processes[0].Name + "[" + strconv.Itoa(p.Processes[0].PID) + "]"
		if n := len(p.Processes) - 1; n > 0 {
			s += "+" + strconv.Itoa(n)
		}
		if p.Unknown {
			s += "+?"
		}
		return s
	case p.Unknown:
		return "?"
	case p.Closed != nil:
		return "(" + p.Closed.Name + "[" + strconv.Itoa(p.Closed.PID) + "])"
	}
	return "-"
}

// name returns the program without its process id: what several processes share.
func (p Party) name() string {
	switch {
	case len(p.Processes) > 0:
		return p.Processes[0].Name
	case p.Unknown:
		return "?"
	case p.Closed != nil:
		return p.Closed.Name
	}
	return "-"
}

// compareParties sorts by program and process.
func compareParties(a, b Party) int {
	if n := cmp.Compare(a.name(), b.name()); n != 0 || len(a.Processes) == 0 || len(b.Processes) == 0 {
		return n
	}
	return cmp.Compare(a.Processes[0].PID, b.Processes[0].PID)
}

// Lodge returns project/service, or "".
func (p Party) Lodge() string {
	switch {
	case p.Project == "":
		return ""
	case p.Service == "":
		return p.Project
	}
	return p.Project + "/" + p.Service
}

// label returns the program, followed by project/service.
func (p Party) label() string {
	return strings.TrimSpace(p.program() + " " + p.Lodge())
}

// processesShown bounds what one line of an overview keeps for the prompt that
// ends processes.
const processesShown = 64

// join adds the processes of o that p has not yet.
func (p *Party) join(o Party) {
	p.Unknown = p.Unknown || o.Unknown
	for _, q := range o.Processes {
		if len(p.Processes) < processesShown && !HasProcess(p.Processes, q) {
			p.Processes = append(p.Processes, q)
		}
	}
}

// HasProcess reports whether the process p is one of ps.
func HasProcess(ps []*sockets.Process, p *sockets.Process) bool {
	for _, q := range ps {
		if q.PID == p.PID && q.Start == p.Start {
			return true
		}
	}
	return false
}
