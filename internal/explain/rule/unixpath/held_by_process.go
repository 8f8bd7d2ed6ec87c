package unixpath

import (
	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/rule/bind"
	"lodge/internal/explain/words"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// HeldByProcess finds that a socket of another process has the path.
func HeldByProcess() rule.Rule {
	r := bind.HeldByProcess()
	r.Title = "a socket of another process has the path"
	r.Check = func(f *facts.Facts) []model.Finding {
		if bindOutcome(f) != listening {
			return nil
		}
		r := &f.Rows[0]
		out := bind.Held(f, []*sockets.Row{r})
		if r.State == "listen" {
			out[0].Evidence = append(out[0].Evidence, words.SocketAs(r, "it listens on the path"))
		}
		return out
	}
	return r
}
