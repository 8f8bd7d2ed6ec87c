package name

import (
	"lodge/internal/explain/facts"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// outcome is what a name of lodge leads to.
type outcome int

const (
	fine        outcome = iota
	projectDown         // the project is not up
	missing             // the project has no such service, or no default one
	failing             // starting again, after it ended by itself
	starting            // or waiting for what it needs
	ended               // with an exit status
	silent              // ready, and listens on nothing
	notRunning          // and its exit status is not known
	noHTTP              // below localhost, where lodge serves only HTTP
	otherPort           // lodge serves the name on another port
)

// outcomeOf returns what the name of the question leads to.
func outcomeOf(f *facts.Facts) outcome {
	n := f.Name
	if n == nil || f.Question.Operation == model.Bind {
		return fine
	}
	s := n.Service
	switch {
	case !n.Up:
		return projectDown
	case n.Missing != "", s == nil && n.Domain == "localhost":
		return missing
	case s == nil:
		return fine
	case s.State == "starting" && s.Failing:
		return failing
	case s.State == "waiting", s.State == "starting":
		return starting
	case s.State == "idle" && n.Domain == "localhost":
		return fine
	case s.Ended && s.Exit != nil:
		return ended
	case len(s.Endpoints) == 0 && s.State == "ready":
		return silent
	case len(s.Endpoints) == 0:
		return notRunning
	case !n.HTTP && n.Domain == "localhost":
		return noHTTP
	case n.Domain == "localhost" && f.Question.HasPort && !f.Web() && n.URL != "":
		return otherPort
	}
	return fine
}

// found is the finding of an outcome, with a hint.
func found(f *facts.Facts, hint string) []model.Finding {
	c := model.Finding{Sure: true, Summary: words.NameSentence(f), Hint: hint}
	if s := f.Name.Service; s != nil {
		c.Evidence = words.ServiceState(f.Name.Project, s)
	}
	return []model.Finding{c}
}

// here goes to the directory of the project, for a shell.
func here(f *facts.Facts) string { return "cd " + words.ShellWord(f.Name.Path) + " && " }

// always reports that the answer and the line of the service say what the evidence
// says.
func always(*facts.Facts, bool) bool { return true }
