package listener

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// ListensNow finds that a socket listens by now where a connection was refused.
func ListensNow() rule.Rule {
	return rule.Rule{
		Code: "listens_now", Title: "a connection was refused, and a socket listens by now",
		Weight: rule.OnErrors(-2, "ECONNREFUSED"),
		Never:  rule.Unreachable(),
		Last:   rule.InSection,
		Show:   rule.Show{Told: func(_ *facts.Facts, rows bool) bool { return rows }},
		Check: func(f *facts.Facts) []model.Finding {
			r := refusedBefore(f)
			if r == nil || starting(f, r) != nil {
				return nil
			}
			return []model.Finding{{
				Sure:     true,
				Summary:  fmt.Sprintf("%s listens on %s now, so a connection should work: when it was refused, the server was not there yet, or was just starting again.", words.Upper(words.Holder(f, r)), words.Own(r)),
				Evidence: words.Holders(f, r),
				Hint:     "try again",
			}}
		},
	}
}

// ServiceStarting finds that lodge keeps the socket open for a service that is not
// ready.
func ServiceStarting() rule.Rule {
	return rule.Rule{
		Code: "service_not_ready", Title: "lodge keeps the socket open while its service is started again",
		Last: rule.InSection,
		Show: rule.Show{Told: func(*facts.Facts, bool) bool { return true }},
		Check: func(f *facts.Facts) []model.Finding {
			r := refusedBefore(f)
			if r == nil {
				return nil
			}
			k := starting(f, r)
			if k == nil {
				return nil
			}
			return []model.Finding{{
				Sure:     true,
				Summary:  fmt.Sprintf("Service %s of project %s %s. Lodge (pid %d) keeps %s open for it: connections wait in the queue until it accepts them.", k.Name, k.Project, words.Does(&k.Service), r.Processes[0].PID, words.Own(r)),
				Evidence: words.ServiceState(k.Project, &k.Service)[:1],
				Hint:     fmt.Sprintf("see what it does: cd %s && lodge logs -f %s", words.ShellWord(k.Path), k.Name),
			}}
		},
	}
}

// refusedBefore returns the socket that would get a connection which was refused,
// or nil.
func refusedBefore(f *facts.Facts) *sockets.Row {
	open := rule.EndsOf(f).Open
	if len(open) == 0 || f.Question.Errno != "ECONNREFUSED" {
		return nil
	}
	return f.Listeners(open[0])[0]
}

// starting returns the service for which lodge holds a socket and which is not
// ready, or nil.
func starting(f *facts.Facts, r *sockets.Row) *facts.Kept {
	if k := f.KeptFor(r); k != nil && k.Name != "" && k.State != "ready" {
		return k
	}
	return nil
}
