package bind

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// TimeWait finds closed connections that the kernel keeps for a while (RFC 9293,
// section 3.6.1).
func TimeWait() rule.Rule {
	return rule.Rule{
		Code: "time_wait", Title: "closed connections that the kernel keeps for up to 60 seconds",
		Last: rule.InGroup,
		Show: rule.Show{Hint: rule.HintWithoutConnections, Told: func(_ *facts.Facts, rows bool) bool { return rows }},
		Check: func(f *facts.Facts) []model.Finding {
			h := holdersOf(f)
			if h.serves || len(h.waiting) == 0 {
				return nil
			}
			rows := h.waiting
			c := model.Finding{
				Sure:    true,
				Summary: fmt.Sprintf("The last connections on port %d are in TIME_WAIT: the kernel keeps them for up to 60 seconds after they are closed, and a server that does not set SO_REUSEADDR cannot bind meanwhile.", f.Question.Port),
				Hint:    "wait a minute, or set SO_REUSEADDR before bind (most servers do)",
			}
			if rows[0].State != "time_wait" {
				c.Summary = fmt.Sprintf("The last connections on port %d are still being closed by the kernel, and a server that does not set SO_REUSEADDR cannot bind meanwhile.", f.Question.Port)
			}
			for _, r := range rows[:min(len(rows), 5)] {
				c.Evidence = append(c.Evidence, words.Socket(f, r))
			}
			if n := len(rows); n > 5 {
				c.Evidence = append(c.Evidence, model.Fact(fmt.Sprintf("and %d more", n-5)))
			}
			return []model.Finding{c}
		},
	}
}
