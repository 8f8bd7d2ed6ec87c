package operation

import (
	"lodge/internal/project"
	"lodge/internal/service"
)

// setKeyLogs says in the definitions which services write the keys of their TLS
// connections: those of which the file says so, and with asked all of which it does not
// say that they do not. A service that was asked to does so until it is asked otherwise,
// or its project ends: nil asks for nothing. before are the services as they run.
func setKeyLogs(p *project.Project, specs []service.Spec, before []service.Status, asked *bool) {
	was := make(map[string]bool)
	for i := range before {
		was[before[i].Name] = before[i].KeyLog == service.KeyLogAsked && before[i].Kind == service.KindService
	}
	for i := range specs {
		sp := &specs[i]
		s, _ := p.Service(sp.Name)
		switch {
		case asked != nil && !*asked || s.KeyLog != nil && !*s.KeyLog:
		case p.HasKeyLog(s):
			sp.KeyLog = service.KeyLogSet
		case asked != nil || was[sp.Name]:
			sp.KeyLog = service.KeyLogAsked
		}
	}
}

// commandKeyLog reports whether a command writes the keys of its TLS connections. p is
// the project, or nil where its file cannot be read.
func commandKeyLog(p *project.Project, asked *bool) bool {
	if asked != nil {
		return *asked
	}
	return p != nil && p.KeyLog
}
