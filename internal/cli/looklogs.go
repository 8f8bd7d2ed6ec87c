package cli

import (
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/logs"
)

// explainTail is how many lines of a service's log explain reads.
const explainTail = 10

// tail returns the last lines that a service of the project at path said.
func (l *look) tail(path, service string) []string {
	for _, p := range l.Projects {
		if p.Path != path {
			continue
		}
		var out []string
		_ = localapi.ReadLogs(p, keeperapi.LogQuery{Services: []string{service}, Tail: explainTail}, func(line logs.Line) error {
			if !line.Note {
				out = append(out, line.Text)
			}
			return nil
		}) // what cannot be read is not shown
		return out
	}
	return nil
}
