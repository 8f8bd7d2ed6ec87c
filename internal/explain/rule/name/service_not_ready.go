package name

import (
	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
)

// ServiceNotReady finds that the service is starting, or waits for what it needs.
func ServiceNotReady() rule.Rule {
	return rule.Rule{
		Code: "service_not_ready", Title: "the service of that name is starting, or waits for what it needs",
		Show: rule.Show{Told: always},
		Check: func(f *facts.Facts) []model.Finding {
			if outcomeOf(f) != starting {
				return nil
			}
			return found(f, "see what it does: "+here(f)+"lodge logs -f "+f.Name.Service.Name)
		},
	}
}
