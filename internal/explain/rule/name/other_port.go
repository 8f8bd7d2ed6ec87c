package name

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
)

// OtherPort finds that lodge serves the name on another port than was asked for.
func OtherPort() rule.Rule {
	return rule.Rule{
		Code: "served_on_other_port", Title: "lodge serves the name on another port",
		Show: rule.Show{Told: always},
		Check: func(f *facts.Facts) []model.Finding {
			if outcomeOf(f) != otherPort {
				return nil
			}
			out := found(f, "use "+f.Name.URL)
			out[0].Summary = fmt.Sprintf("lodge serves %s on port %d, not on %d.", f.Question.Name, f.Name.Port, f.Question.Port)
			return out
		},
	}
}
