package bind

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// EphemeralTaken finds an outgoing connection that has the port.
func EphemeralTaken() rule.Rule {
	return rule.Rule{
		Code: "ephemeral_taken", Title: "an outgoing connection has the port",
		Show: rule.Show{Empty: rule.EmptyAfter, Hint: rule.HintOnFailure, Told: func(_ *facts.Facts, rows bool) bool { return rows }},
		Check: func(f *facts.Facts) []model.Finding {
			rows := holdersOf(f).taken
			if len(rows) == 0 {
				return nil
			}
			r := rows[0]
			c := model.Finding{
				Sure: true, PIDs: f.PIDs(r),
				Summary:  fmt.Sprintf("An outgoing connection has the port: %s is connected from %s to %s.", words.Holder(f, r), words.Own(r), words.Far(r)),
				Hint:     fmt.Sprintf("use a port outside %d to %d, or keep this one out of the range: sysctl -w net.ipv4.ip_local_reserved_ports=%d", f.Kernel.EphemeralFirst, f.Kernel.EphemeralLast, f.Question.Port),
				Evidence: []model.Evidence{ephemeralRange(f)},
			}
			for _, r := range rows[:min(len(rows), 5)] {
				c.Evidence = append(c.Evidence, words.Socket(f, r))
			}
			if !f.Kernel.IsEphemeral(f.Question.Port) {
				c.Hint = words.HowToStop(f, r)
			}
			return []model.Finding{c}
		},
	}
}
