package name

import (
	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
)

// ProcessDied finds that the service has ended by itself.
func ProcessDied() rule.Rule {
	return rule.Rule{
		Code: "process_died", Title: "the service of that name has ended: its exit status is lodge's",
		Weight: rule.OnErrors(2, "ECONNRESET"),
		Show: rule.Show{Empty: rule.EmptyAlone, Told: func(f *facts.Facts, _ bool) bool {
			return f.Name != nil && f.Name.Service != nil && f.Name.Service.Ended
		}},
		Check: func(f *facts.Facts) []model.Finding {
			switch outcomeOf(f) {
			case failing:
				return found(f, "read its log: "+here(f)+"lodge logs "+f.Name.Service.Name)
			case ended:
				return found(f, readLog(f))
			}
			return nil
		},
	}
}
