package tui

import (
	"fmt"

	"lodge/internal/sockets"
	"lodge/internal/tui/screen"
	"lodge/internal/tui/view"
)

// prompt is a question at the foot of the screen. While it is there it gets
// the keys.
type prompt interface {
	key(k string) reply
	line(f format) screen.Line
}

// reply is what a key did to a prompt.
type reply struct {
	// done: the question is answered, and goes.
	done bool
	// filter is what the lists are filtered by from now on; nil leaves the filter.
	filter *filter
	// end is the process to end; nil for none.
	end *end
	// note is shown until the next key.
	note screen.Line
}

// endPrompt asks whether a process shall end.
type endPrompt struct {
	processes []*sockets.Process
	at        int // index of the one that is asked about
	format    format
	// hard asks for SIGKILL: the process goes on after SIGTERM.
	hard bool
	// restarts: lodge may start the process again.
	restarts bool
}

// newEndPrompt asks about the processes of a subject. If none can be ended, it
// returns why. isOwn reports whether a process is one of lodge's own: it holds
// sockets for a service, and its end would be the project's.
func newEndPrompt(s view.Subject, isOwn func(*sockets.Process) bool, f format) (p *endPrompt, why string) {
	var all []*sockets.Process
	var own *sockets.Process
	unknown := false
	for _, party := range s.Parties {
		unknown = unknown || party.Unknown
		for _, q := range party.Processes {
			switch {
			case isOwn(q):
				own = q
			case !view.HasProcess(all, q):
				all = append(all, q)
			}
		}
	}
	switch {
	case len(all) > 0:
		return &endPrompt{processes: all, format: f, restarts: s.Service != nil}, ""
	case own != nil && s.Service == nil:
		return nil, f.process(own) + " is lodge's own: it is not ended here; enter explains it, lodge down ends a project"
	case s.Service != nil:
		return nil, "it holds no socket; in " + f.clean(s.Project.Path) + ", lodge down " + f.clean(s.Service.Name) + " stops it"
	case unknown:
		return nil, "its process may not be seen from here: it needs root or the helper"
	}
	return nil, "no process holds it"
}

func (p *endPrompt) process() *sockets.Process { return p.processes[p.at] }

func (p *endPrompt) key(k string) reply {
	switch k {
	case "y", "Y":
		return reply{done: true, end: &end{p.process(), p.hard}, note: screen.Plain.Line("ending " + p.format.process(p.process()) + " ...")}
	case "tab", "right", "down":
		p.next(1)
	case "shift+tab", "left", "up":
		p.next(-1)
	default: // anything else is N
		return reply{done: true, note: screen.Plain.Line("left running")}
	}
	return reply{}
}

// next asks about another process.
func (p *endPrompt) next(by int) {
	if !p.hard {
		p.at = (p.at + len(p.processes) + by) % len(p.processes)
	}
}

func (p *endPrompt) line(f format) screen.Line {
	l := screen.Bold.Line("end " + f.process(p.process()))
	if p.hard {
		l = screen.Bold.Line(f.process(p.process()) + " goes on: end it with KILL, which it cannot refuse")
	}
	l = append(l, screen.Bold.Span("? y/N"))
	if n := len(p.processes); n > 1 && !p.hard {
		l = append(l, screen.Plain.Span(fmt.Sprintf("  (%d of %d, tab: next)", p.at+1, n)))
	}
	if p.restarts && !p.hard {
		l = append(l, screen.Dim.Span("  lodge may start it again"))
	}
	if c := p.process().Command; c != "" {
		l = append(l, screen.Dim.Span("  "+f.clean(c)))
	}
	return l
}
