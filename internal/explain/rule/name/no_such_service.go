package name

import (
	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
)

// NoSuchService finds that the project has no service of that name.
func NoSuchService() rule.Rule {
	return rule.Rule{
		Code: "no_such_service", Title: "the project has no service of that name, or no default one",
		Show: rule.Show{Told: always},
		Check: func(f *facts.Facts) []model.Finding {
			if outcomeOf(f) != missing {
				return nil
			}
			hint := ""
			if n := f.Name; n.Service == nil && n.Missing == "" && len(n.Others) > 0 {
				hint = "name one, or add to lodge.toml: default = \"" + n.Others[0] + "\""
			}
			return found(f, hint)
		},
	}
}
