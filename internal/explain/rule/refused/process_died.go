package refused

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// ServiceEnded finds the services that had the port and have ended.
func ServiceEnded() rule.Rule {
	r := died("a service that had the port has ended")
	r.Check = func(f *facts.Facts) []model.Finding {
		var out []model.Finding
		ip := shut(f)[0]
		for i := range f.Projects {
			p := &f.Projects[i]
			// An address of a home means that project.
			if q := f.ProjectOf(ip); q != nil && q != p {
				continue
			}
			for i := range p.Services {
				s := &p.Services[i]
				// The rules of package name tell of a service whose name was given.
				named := f.Name != nil && f.Name.Path == p.Path && f.Name.Service != nil && f.Name.Service.Name == s.Name
				if s.Ended && !named && portOf(f, s) {
					out = append(out, ended(p, s))
				}
			}
		}
		return model.Distinct(out)
	}
	return r
}

func ended(p *facts.Project, s *facts.Service) model.Finding {
	c := model.Finding{
		Sure:    true,
		Summary: fmt.Sprintf("Service %s of project %s has that port, but it has ended", s.Name, p.Name),
		Hint:    fmt.Sprintf("read its log: cd %s && lodge logs %s", words.ShellWord(p.Path), s.Name),
	}
	if s.Exit != nil {
		c.Summary += fmt.Sprintf(", with exit status %d", *s.Exit)
	}
	c.Summary += "."
	c.Evidence = words.ServiceState(p.Name, s)
	return c
}

// ServerEnded finds that the process which closed a socket on the port has ended.
func ServerEnded() rule.Rule {
	r := died("the process that had the port has ended")
	r.Check = func(f *facts.Facts) []model.Finding {
		for _, r := range f.At(func(r *sockets.Row) bool { return r.Closed != nil && !r.Unknown && len(r.Processes) == 0 }) {
			if !f.Gone[r.Closed.PID] {
				continue
			}
			return []model.Finding{{
				Sure:     true,
				Summary:  fmt.Sprintf("The server, %s, has just ended.", words.Process(r.Closed)),
				Evidence: []model.Evidence{words.SocketAs(r, fmt.Sprintf("it had the socket %s, which no process holds any more", words.Own(r)))},
				Hint:     "start it again",
			}}
		}
		return nil
	}
	return r
}

func died(title string) rule.Rule {
	return rule.Rule{
		Code: "process_died", Title: title,
		Weight: rule.OnErrors(2, "ECONNRESET"),
		Show: rule.Show{Empty: rule.EmptyAlone, Told: func(f *facts.Facts, _ bool) bool {
			return f.Name != nil && f.Name.Service != nil && f.Name.Service.Ended
		}},
	}
}
