package unixpath

import (
	"fmt"
	"path"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// Missing finds that there is no file at the path.
func Missing() rule.Rule {
	r := socketMissing("there is no file at the path, or not even its directory")
	r.Check = func(f *facts.Facts) []model.Finding {
		if connectOutcome(f) != missing {
			return nil
		}
		u := f.Unix
		c := model.Finding{
			Sure:    true,
			Summary: fmt.Sprintf("There is no socket at %s: its server is not running, or makes its socket elsewhere.", u.Path),
			Hint:    "start the server, or give the client the path or the host and port at which it is",
		}
		if u.MissingDirectory != "" {
			c.Summary = fmt.Sprintf("There is no socket at %s, not even the directory %s: its server is not running, or makes its socket elsewhere.", u.Path, u.MissingDirectory)
		}
		return withSame(u, c)
	}
	return r
}

// MissingToBind finds that there is no directory to make the socket in.
func MissingToBind() rule.Rule {
	r := socketMissing("there is no directory to make the socket in")
	r.Check = func(f *facts.Facts) []model.Finding {
		if bindOutcome(f) != missing {
			return nil
		}
		return []model.Finding{{
			Sure:    true,
			Summary: fmt.Sprintf("The directory %s does not exist, so no socket can be made in it.", f.Unix.MissingDirectory),
			Hint:    "mkdir -p " + words.ShellWord(path.Dir(f.Unix.Path)),
		}}
	}
	return r
}

func socketMissing(title string) rule.Rule { return rule.Rule{Code: "socket_missing", Title: title} }
