package listener

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// CloseWait finds the connections of a server that their clients have closed and it
// has not.
func CloseWait() rule.Rule {
	return rule.Rule{
		Code: "close_wait", Title: "connections that the other end has closed and the server has not",
		Show: rule.Show{Notable: true, Told: func(*facts.Facts, bool) bool { return true }},
		Check: func(f *facts.Facts) []model.Finding {
			rows := f.At(func(r *sockets.Row) bool { return r.State == "close_wait" })
			if len(rows) == 0 {
				return nil
			}
			r := rows[0]
			c := model.Finding{
				Sure: true, PIDs: f.PIDs(r),
				Summary: fmt.Sprintf("%s in CLOSE_WAIT: the other end has closed, and %s has not.", words.Count(len(rows), "connection is", "connections are"), words.Holder(f, r)),
				Hint:    "if there are ever more of them, the program forgets to close what its clients have closed, until it has no descriptor left",
			}
			for _, r := range rows[:min(len(rows), words.MaxShown)] {
				c.Evidence = append(c.Evidence, words.Socket(f, r))
			}
			return []model.Finding{c}
		},
	}
}
