package listener

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// ForwardsNowhere finds a published port of a container behind which no socket
// listens.
func ForwardsNowhere() rule.Rule {
	return rule.Rule{
		Code: "forwards_nowhere", Title: "docker-proxy takes connections for an address in a container at which no socket listens",
		Weight: rule.OnErrors(2, "ECONNRESET"),
		Show:   rule.Show{Notable: true},
		Check: func(f *facts.Facts) []model.Finding {
			var out []model.Finding
			for i := range f.Forwards {
				w := &f.Forwards[i]
				if !w.Known || len(w.Server) > 0 {
					continue
				}
				out = append(out, model.Finding{
					Sure:    true,
					Summary: fmt.Sprintf("%s takes connections for a container, but nobody listens there at %s: they are reset or closed at once.", words.Process(w.Proxy), w.To),
					Evidence: []model.Evidence{{
						Kind: model.KindAddress, Text: fmt.Sprintf("no TCP socket listens at %s in the network namespace that has the address", w.To),
						Address: &model.Address{IP: w.To.Addr(), Namespace: f.Namespaces[w.To.Addr()].Inode},
					}},
					Hint: "in the container the server must listen on 0.0.0.0 (not on 127.0.0.1), and on the port that is published",
				})
			}
			return model.Distinct(out)
		},
	}
}
