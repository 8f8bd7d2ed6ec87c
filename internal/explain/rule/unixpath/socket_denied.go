package unixpath

import (
	"fmt"
	"path"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// Denied finds that this user may not connect to the socket: that needs the right
// to write (unix(7)).
func Denied() rule.Rule {
	r := socketDenied("this user may not use the socket, or its directory")
	r.Check = func(f *facts.Facts) []model.Finding {
		if connectOutcome(f) != denied {
			return nil
		}
		u := f.Unix
		return []model.Finding{{
			Sure:     true,
			Summary:  fmt.Sprintf("User %s may not connect to %s: %s does not let it in.", f.User, u.Path, u.DeniedBy),
			Evidence: []model.Evidence{words.File(u)},
			Hint:     fmt.Sprintf("be in the group that may (ls -l %s tells which; a new group counts after a new login), or run it as its user", words.ShellWord(u.DeniedBy)),
		}}
	}
	return r
}

// DeniedToBind finds that this user may not make a file in the directory.
func DeniedToBind() rule.Rule {
	r := socketDenied("this user may not make a file in the directory")
	r.Check = func(f *facts.Facts) []model.Finding {
		if bindOutcome(f) != denied {
			return nil
		}
		return []model.Finding{{
			Sure:    true,
			Summary: fmt.Sprintf("User %s may not make a file in %s, and so no socket.", f.User, path.Dir(f.Unix.Path)),
			Hint:    "choose a directory of your own, such as $XDG_RUNTIME_DIR",
		}}
	}
	return r
}

func socketDenied(title string) rule.Rule { return rule.Rule{Code: "socket_denied", Title: title} }
