package name

import (
	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
)

// ServiceNotRunning finds that the service, or its project, is not up.
func ServiceNotRunning() rule.Rule {
	return rule.Rule{
		Code: "service_not_running", Title: "the name is that of a service, or of a project, that is not up",
		Show: rule.Show{Told: always},
		Check: func(f *facts.Facts) []model.Finding {
			switch outcomeOf(f) {
			case projectDown:
				return found(f, here(f)+"lodge up")
			case notRunning:
				return found(f, readLog(f))
			}
			return nil
		},
	}
}

// readLog is the hint for a service that has ended.
func readLog(f *facts.Facts) string {
	name := f.Name.Service.Name
	return "read its log: " + here(f) + "lodge logs " + name + "; start it: lodge restart " + name
}
