package render

import (
	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
)

// hints are what the causes advise, the likeliest first, each once.
func hints(f *facts.Facts, r *Report) []string {
	var out []string
	plain := f.Question.Operation == ""
	for _, c := range r.found {
		switch {
		case c.Hint == "":
		case plain && c.Show.Hint == rule.HintOnFailure:
		case plain && c.Show.Hint == rule.HintWithoutConnections && len(r.Connections) > 0:
		case plain && c.Show.Hint == rule.HintFirst && len(out) > 0:
		default:
			out = words.Add(out, c.Hint)
		}
	}
	return out[:min(len(out), 3)]
}
