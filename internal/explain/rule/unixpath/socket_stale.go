package unixpath

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// Stale finds the file of a socket on which no process listens.
func Stale() rule.Rule {
	r := socketStale("the file is there, and no process listens on it")
	r.Check = func(f *facts.Facts) []model.Finding {
		if connectOutcome(f) != stale {
			return nil
		}
		u := f.Unix
		return withSame(u, model.Finding{
			Sure:     true,
			Summary:  fmt.Sprintf("The socket %s is left over: no process listens on it, so connections are refused.", u.Path),
			Evidence: []model.Evidence{words.File(u), noListener(u, "no socket of this network namespace that listens has that path")},
			Hint:     "start the server; if it does not, since the path is in use: rm " + words.ShellWord(u.Path),
		})
	}
	return r
}

// StaleToBind finds the same where a bind fails.
func StaleToBind() rule.Rule {
	r := socketStale("the file is there, and no process has the socket")
	r.Check = func(f *facts.Facts) []model.Finding {
		if bindOutcome(f) != stale {
			return nil
		}
		u := f.Unix
		return []model.Finding{{
			Sure:     true,
			Summary:  fmt.Sprintf("The socket file %s is left over from a server that has ended: no process has it, but a bind fails as long as it is there.", u.Path),
			Evidence: []model.Evidence{words.File(u), noListener(u, "no socket of this network namespace has that path")},
			Hint:     "rm " + words.ShellWord(u.Path),
		}}
	}
	return r
}

func socketStale(title string) rule.Rule { return rule.Rule{Code: "socket_stale", Title: title} }
