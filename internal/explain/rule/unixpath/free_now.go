package unixpath

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
)

// FreeNow finds that nothing is at the path any more.
func FreeNow() rule.Rule {
	return rule.Rule{
		Code: "free_now", Title: "nothing is at the path any more",
		Show: rule.Show{Told: func(f *facts.Facts, _ bool) bool { return f.Question.Operation == "" }},
		Check: func(f *facts.Facts) []model.Finding {
			if bindOutcome(f) != free {
				return nil
			}
			return []model.Finding{{
				Sure: true, Summary: fmt.Sprintf("Nothing is at %s any more, so a bind should work now.", f.Unix.Path), Hint: "try again",
			}}
		},
	}
}
