package listener

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// BacklogFull finds a server whose queue of connections is full.
func BacklogFull() rule.Rule {
	return rule.Rule{
		Code: "backlog_full", Title: "more connections wait for accept than the backlog has room for",
		Weight: rule.OnErrors(2, "ETIMEDOUT", "ECONNRESET"),
		Show:   rule.Show{Notable: true},
		Check: func(f *facts.Facts) []model.Finding {
			return each(f, func(r *sockets.Row) []model.Finding {
				// One more than the limit fits (sk_acceptq_is_full).
				if r.Backlog == nil || r.BacklogLimit == nil || *r.Backlog <= *r.BacklogLimit {
					return nil
				}
				return []model.Finding{backlogFull(f, r)}
			})
		},
	}
}

func backlogFull(f *facts.Facts, r *sockets.Row) model.Finding {
	who := words.Upper(words.Holder(f, r))
	c := model.Finding{
		Sure: true, PIDs: f.PIDs(r),
		Summary: fmt.Sprintf("%s does not accept connections on %s: its queue is full, so new ones wait and time out.", who, words.Own(r)),
		Hint:    "the server hangs or is too slow: look at what it does (lodge explain shows its state), or give listen() a longer queue",
	}
	if e, ok := words.OutOfDescriptors(f, r); ok {
		c.Evidence = append(c.Evidence, e)
		c.Summary = fmt.Sprintf("%s cannot accept connections on %s: it has no free descriptor (EMFILE), so its queue is full, and new ones wait and time out.", who, words.Own(r))
		c.Hint = "give it more (ulimit -n, LimitNOFILE), or mend what does not close them: ls -l /proc/" + fmt.Sprint(r.Processes[0].PID) + "/fd"
	}
	if f.Kernel.AbortOnOverflow {
		c.Summary = fmt.Sprintf("%s does not accept connections on %s: its queue is full, so new ones are reset.", who, words.Own(r))
	}
	c.Evidence = append(c.Evidence, words.Backlog(r), model.Evidence{
		Kind: model.KindCounter, Text: fmt.Sprintf("since boot, on all listeners: ListenOverflows %d, ListenDrops %d", f.Kernel.Overflows, f.Kernel.Drops),
		Counter: &model.Counter{Name: "TcpExt.ListenOverflows", Value: f.Kernel.Overflows},
	})
	c.Evidence = append(c.Evidence, words.Holders(f, r)...)
	return c
}
