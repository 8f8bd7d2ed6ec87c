package unixpath

import (
	"fmt"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// outcome is what a connection to a path, or a bind of it, meets.
type outcome int

const (
	loop      outcome = iota // symbolic links that lead back to themselves
	denied                   // this user may not use it
	listening                // a socket is there
	abstract                 // no socket has the abstract name
	missing                  // there is no file
	noSocket                 // the file is no socket
	stale                    // no process has the socket of the file
	free                     // to bind: nothing is there
)

// connectOutcome returns what a connection to the path meets.
func connectOutcome(f *facts.Facts) outcome {
	u := f.Unix
	switch {
	case u.LinkLoop:
		return loop
	case u.DeniedBy != "" && f.UID != 0:
		return denied
	case len(f.UnixListeners()) > 0:
		return listening
	case u.Abstract:
		return abstract
	case !u.Exists:
		return missing
	case !u.Socket:
		return noSocket
	}
	return stale
}

// bindOutcome returns what a bind of the path meets.
func bindOutcome(f *facts.Facts) outcome {
	u := f.Unix
	switch {
	case len(f.Rows) > 0:
		return listening
	case u.LinkLoop:
		return loop
	case u.Exists && !u.Socket:
		return noSocket
	case u.Exists:
		return stale
	case u.MissingDirectory != "":
		return missing
	case !u.Abstract && (f.Question.Errno != "EADDRINUSE" || u.DeniedBy != "") && u.DirectoryDenied:
		return denied
	}
	return free
}

// withSame adds to what is missing the sockets of the same name elsewhere.
func withSame(u *facts.UnixSocket, c model.Finding) []model.Finding {
	if len(u.Same) > 0 {
		c.Evidence = append(c.Evidence, model.Evidence{
			Kind: model.KindFile, Text: "listening under that name: " + strings.Join(u.Same, ", "), File: &model.File{Path: u.Same[0], Type: "socket"},
		})
		c.Summary += fmt.Sprintf(" A server listens at %s.", words.Join(u.Same))
		c.Hint = "connect to " + words.ShellWord(u.Same[0])
	}
	return []model.Finding{c}
}

// noListener is the evidence that no socket has the path.
func noListener(u *facts.UnixSocket, text string) model.Evidence {
	return model.Evidence{Kind: model.KindFile, Text: text, File: &model.File{Path: u.Path}}
}
