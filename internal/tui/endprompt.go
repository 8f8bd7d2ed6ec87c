package tui

import (
	"fmt"
	"slices"

	"lodge/internal/localapi"
	"lodge/internal/show"
	"lodge/internal/sockets"
)

// endPrompt asks whether a process shall end.
type endPrompt struct {
	processes []*sockets.Process
	at        int
	// hard asks for SIGKILL: SIGTERM was not enough.
	hard bool
	// lodge says that lodge may start it again.
	lodge bool
}

// askEnd asks for the processes of the selected item.
func (u *ui) askEnd() {
	s, ok := u.selected()
	if !ok {
		return
	}
	var all []*sockets.Process
	unknown := false
	var own *sockets.Process
	for _, p := range s.parties {
		unknown = unknown || p.Unknown
		for _, q := range p.Processes {
			if u.isOwn(q) {
				own = q
				continue
			}
			if !hasProcess(all, q) {
				all = append(all, q)
			}
		}
	}
	switch {
	case len(all) > 0:
		u.prompt = &endPrompt{processes: all, lodge: s.service != nil && s.service.Service != nil}
	case own != nil && (s.service == nil || s.service.Service == nil):
		u.say(warn, processText(own, u.opt.ASCII)+" is lodge's own: it is not ended here; enter explains it, lodge down ends a project")
	case s.service != nil && s.service.Service != nil:
		u.say(warn, "it holds no socket; in "+show.Clean(s.service.Project.Path, u.opt.ASCII)+", lodge down "+show.Clean(s.service.Service.Name, u.opt.ASCII)+" stops it")
	case unknown:
		u.say(warn, "its process may not be seen from here: it needs root or the helper")
	default:
		u.say(warn, "no process holds it")
	}
}

// isOwn reports whether a process is lodge's own: what it holds is kept for a
// service, and ending it would end a project.
func (u *ui) isOwn(p *sockets.Process) bool {
	if u.frame != nil && slices.ContainsFunc(u.frame.Projects, func(q localapi.Project) bool { return q.KeeperPID == p.PID }) {
		return true
	}
	return u.opt.Own != nil && u.opt.Own(p) != ""
}

func (p *endPrompt) process() *sockets.Process { return p.processes[p.at] }

func (p *endPrompt) key(u *ui, k string) []effect {
	switch k {
	case "y", "Y":
		u.prompt = nil
		u.say(plain, "ending "+processText(p.process(), u.opt.ASCII)+" ...")
		return []effect{end{p.process(), p.hard}}
	case "tab", "right", "down":
		if !p.hard {
			p.at = (p.at + 1) % len(p.processes)
		}
	case "shift+tab", "left", "up":
		if !p.hard {
			p.at = (p.at + len(p.processes) - 1) % len(p.processes)
		}
	default: // N is what is meant by anything else
		u.prompt = nil
		u.say(plain, "left running")
	}
	return nil
}

func (p *endPrompt) show(u *ui) line {
	l := line{{"end " + processText(p.process(), u.opt.ASCII), bold}}
	if p.hard {
		l = line{{processText(p.process(), u.opt.ASCII) + " goes on: end it with KILL, which it cannot refuse", bold}}
	}
	l = append(l, span{"? y/N", bold})
	if n := len(p.processes); n > 1 && !p.hard {
		l = append(l, span{fmt.Sprintf("  (%d of %d, tab: next)", p.at+1, n), plain})
	}
	if p.lodge && !p.hard {
		l = append(l, span{"  lodge may start it again", dim})
	}
	if c := p.process().Command; c != "" {
		l = append(l, span{"  " + show.Clean(c, u.opt.ASCII), dim})
	}
	return l
}

// Ended is told how an end went.
func (u *ui) Ended(e end, gone bool, err error) []effect {
	name := processText(e.process, u.opt.ASCII)
	switch {
	case err != nil:
		u.say(bad, show.Clean(show.OneLine(err.Error()), u.opt.ASCII))
	case gone:
		u.say(plain, name+" has ended")
	case e.hard:
		u.say(bad, name+" goes on even after KILL: the kernel is busy with it")
	case u.prompt == nil:
		u.prompt = &endPrompt{processes: []*sockets.Process{e.process}, hard: true}
	default:
		u.say(warn, name+" goes on after TERM")
	}
	return []effect{refresh{}}
}

func processText(p *sockets.Process, ascii bool) string {
	return show.Clean(p.Name, ascii) + fmt.Sprintf("[%d]", p.PID)
}

func (u *ui) say(st style, s string) { u.note = text(s, st) }
