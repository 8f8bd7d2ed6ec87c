package words

import (
	"fmt"

	"lodge/internal/explain/facts"
)

// NameSentence reports what the name leads to.
func NameSentence(f *facts.Facts) string {
	n := f.Name
	host := f.Question.Name
	switch {
	case !n.Up:
		return fmt.Sprintf("%s is a name of project %s, which is not up.", host, n.Project)
	case n.Missing != "":
		return fmt.Sprintf("%s leads nowhere: project %s has no service %s. %s", host, n.Project, n.Missing, others(f, "It has "))
	case n.Service == nil && n.Domain == "test":
		return fmt.Sprintf("%s is the name of project %s and leads to its home, %s.", host, n.Project, n.Home)
	case n.Service == nil && len(n.Others) == 0:
		return fmt.Sprintf("%s is the name of project %s, none of whose services speaks HTTP.", host, n.Project)
	case n.Service == nil:
		return fmt.Sprintf("%s is the name of project %s, which has no default service. It leads to the only one that speaks HTTP, if that is one: %s.", host, n.Project, Join(n.Others))
	}
	s := n.Service
	head := fmt.Sprintf("%s is the name of service %s of project %s, which %s", host, s.Name, n.Project, Does(s))
	if n.Domain == "test" {
		return head + "."
	}
	switch {
	case n.Port == 0:
		return head + "; lodge serves no names now."
	case !n.HTTP && len(s.Endpoints) > 0:
		return head + fmt.Sprintf(" and does not speak HTTP: lodge serves only HTTP below localhost. Its name for other protocols is %s.", n.HostName)
	case !f.Web() || len(f.Through()) == 0:
		return head + fmt.Sprintf("; lodge serves it at %s.", n.URL)
	}
	by := "lodge"
	if n.ServerPID != 0 {
		by = fmt.Sprintf("lodge (pid %d)", n.ServerPID)
	}
	by += fmt.Sprintf(" on port %d", f.Question.Port)
	switch s.State {
	case "idle":
		return head + fmt.Sprintf(": the first request starts it, through %s.", by)
	case "waiting", "starting":
		if s.Failing {
			return head + fmt.Sprintf("; requests through %s get a page that says so until it is ready.", by)
		}
		return head + fmt.Sprintf("; requests through %s wait until it is ready.", by)
	}
	if len(s.Endpoints) == 0 {
		return head + fmt.Sprintf("; requests through %s get a page that says so.", by)
	}
	return head + fmt.Sprintf("; requests go through %s.", by)
}

// others lists services, after the words that begin the sentence.
func others(f *facts.Facts, begin string) string {
	if len(f.Name.Others) == 0 {
		return begin + "none."
	}
	return begin + Join(f.Name.Others) + "."
}
