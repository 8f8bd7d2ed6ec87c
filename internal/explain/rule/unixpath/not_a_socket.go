package unixpath

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// NotASocket finds that the path is that of something else.
func NotASocket() rule.Rule {
	r := notASocket("the path is that of something else")
	r.Check = func(f *facts.Facts) []model.Finding {
		u := f.Unix
		switch connectOutcome(f) {
		case loop:
			return linkLoop(u)
		case noSocket:
			c := model.Finding{
				Sure: true, Summary: fmt.Sprintf("%s is not a socket.", u.Path),
				Evidence: []model.Evidence{words.File(u)}, Hint: "correct the path",
			}
			if u.Directory {
				c.Summary = fmt.Sprintf("%s is a directory, no socket.", u.Path)
			}
			return withSame(u, c)
		}
		return nil
	}
	return r
}

// NotASocketToBind finds the same where a bind fails.
func NotASocketToBind() rule.Rule {
	r := notASocket("something else is at the path")
	r.Check = func(f *facts.Facts) []model.Finding {
		u := f.Unix
		switch bindOutcome(f) {
		case loop:
			return linkLoop(u)
		case noSocket:
			c := model.Finding{
				Sure: true, Summary: fmt.Sprintf("%s exists and is not a socket, so no socket can be bound there.", u.Path),
				Hint: "choose another path",
			}
			if u.Directory {
				c.Summary = fmt.Sprintf("%s is a directory, no socket, so no socket can be bound there.", u.Path)
			}
			return []model.Finding{c}
		}
		return nil
	}
	return r
}

func notASocket(title string) rule.Rule { return rule.Rule{Code: "not_a_socket", Title: title} }

// linkLoop tells that the path leads nowhere, whichever user tries it.
func linkLoop(u *facts.UnixSocket) []model.Finding {
	return []model.Finding{{
		Sure:    true,
		Summary: fmt.Sprintf("%s leads to no file: its symbolic links lead back to themselves (ELOOP), so there is no socket.", u.Path),
		Hint:    "look where they lead: namei -l " + words.ShellWord(u.Path) + "; then remove or correct the link",
	}}
}
