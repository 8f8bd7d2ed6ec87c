package unixpath

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// BacklogFull finds that the queue of the socket at the path is full.
func BacklogFull() rule.Rule {
	return rule.Rule{
		Code: "backlog_full", Title: "more connections wait for accept than the backlog has room for (EAGAIN)",
		Check: func(f *facts.Facts) []model.Finding {
			if connectOutcome(f) != listening {
				return nil
			}
			var out []model.Finding
			for _, r := range f.UnixListeners() {
				// One more than the limit fits (unix_recvq_full).
				if r.Type == "datagram" || r.Backlog == nil || r.BacklogLimit == nil || *r.Backlog <= *r.BacklogLimit {
					continue
				}
				c := model.Finding{
					Sure: true, PIDs: f.PIDs(r), Evidence: []model.Evidence{words.Backlog(r)},
					Summary: fmt.Sprintf("%s does not accept connections on %s: its queue is full, so new ones wait, or fail with EAGAIN (Resource temporarily unavailable).", words.Upper(words.Holder(f, r)), words.Own(r)),
					Hint:    "the server hangs or is too slow: give it more workers, or listen() a longer queue",
				}
				if e, ok := words.OutOfDescriptors(f, r); ok {
					c.Evidence = append(c.Evidence, e)
				}
				c.Evidence = append(c.Evidence, words.Holders(f, r)...)
				out = append(out, c)
			}
			return out
		},
	}
}
