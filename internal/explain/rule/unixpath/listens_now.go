package unixpath

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// ListensNow finds that a socket listens at the path by now.
func ListensNow() rule.Rule {
	return rule.Rule{
		Code: "listens_now", Title: "a connection failed, and a socket listens by now",
		Last: rule.InGroup,
		Show: rule.Show{Told: func(_ *facts.Facts, rows bool) bool { return rows }},
		Check: func(f *facts.Facts) []model.Finding {
			if connectOutcome(f) != listening || f.Question.Errno == "" {
				return nil
			}
			r := f.UnixListeners()[0]
			return []model.Finding{{
				Sure: true, Evidence: words.Holders(f, r), Hint: "try again",
				Summary: fmt.Sprintf("%s listens on %s now, so a connection should work.", words.Upper(words.Holder(f, r)), words.Own(r)),
			}}
		},
	}
}
