package listener

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
)

// DescriptorsUsed finds which process had no descriptor left: accept, or a new
// socket, failed with EMFILE.
func DescriptorsUsed() rule.Rule {
	return rule.Rule{
		Code: "descriptors_used_up", Title: "a process has as many descriptors as it may (RLIMIT_NOFILE)",
		Check: func(f *facts.Facts) []model.Finding {
			const hint = "give it more (ulimit -n, LimitNOFILE), or mend what does not close them"
			var out []model.Finding
			for _, r := range f.Listening() {
				c := model.Finding{
					Operation: f.Question.Operation, Sure: true, PIDs: f.PIDs(r), Hint: hint,
					Summary: fmt.Sprintf("The descriptors of %s, which listens on %s, were used up (EMFILE): it may open no more files or sockets, so it cannot accept connections.", words.Holder(f, r), words.Own(r)),
				}
				if e, ok := words.OutOfDescriptors(f, r); ok {
					c.Evidence = append(c.Evidence, e)
				}
				c.Evidence = append(c.Evidence, words.Holders(f, r)...)
				if len(r.Processes) > 0 {
					c.Hint += fmt.Sprintf(": ls -l /proc/%d/fd", r.Processes[0].PID)
				}
				out = append(out, c)
			}
			if len(out) == 0 {
				out = append(out, model.Finding{
					Operation: f.Question.Operation, Sure: true, Hint: hint,
					Summary: fmt.Sprintf("The descriptors of the program that wrote this were used up (EMFILE): it could open no more files or sockets. Nobody listens on %s now.", words.Subject(f)),
				})
			}
			return out
		},
	}
}
