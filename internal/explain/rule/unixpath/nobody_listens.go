package unixpath

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
)

// NobodyListens finds that no socket has an abstract name.
func NobodyListens() rule.Rule {
	return rule.Rule{
		Code: "nobody_listens", Title: "no socket listens at the abstract name",
		Show: rule.Show{Hint: rule.HintOnFailure, Told: func(f *facts.Facts, _ bool) bool { return f.Question.Operation == "" }},
		Check: func(f *facts.Facts) []model.Finding {
			if connectOutcome(f) != abstract {
				return nil
			}
			return withSame(f.Unix, model.Finding{
				Sure: true, Summary: fmt.Sprintf("No socket listens at the abstract name %s in this network namespace.", f.Unix.Path), Hint: "start the server",
			})
		},
	}
}
