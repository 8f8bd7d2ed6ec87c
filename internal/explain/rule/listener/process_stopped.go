package listener

import (
	"fmt"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/words"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// ProcessStopped finds a server that does not run: by a signal, or by a debugger.
func ProcessStopped() rule.Rule {
	return rule.Rule{
		Code: "process_stopped", Title: "the process of the socket is stopped (state T or t)",
		Weight: rule.OnErrors(2, "ETIMEDOUT"),
		Show:   rule.Show{Notable: true},
		Check: func(f *facts.Facts) []model.Finding {
			return each(f, func(r *sockets.Row) []model.Finding { return Stopped(f, r) })
		},
	}
}

// Stopped tells of the only process of a socket that it does not run.
func Stopped(f *facts.Facts, r *sockets.Row) []model.Finding {
	if len(r.Processes) != 1 {
		return nil
	}
	p := r.Processes[0]
	s := f.Processes[p.PID].State
	if s != 'T' && s != 't' {
		return nil
	}
	by := "by a signal (SIGSTOP, or Ctrl-Z)"
	hint := fmt.Sprintf("let it go on: kill -CONT %d (or fg in its terminal)", p.PID)
	if s == 't' {
		by, hint = "by a debugger", "let it go on in the debugger"
	}
	return []model.Finding{{
		Sure: true, PIDs: f.PIDs(r),
		Summary:  fmt.Sprintf("%s listens on %s but is stopped %s: connections are made and nobody answers.", words.Upper(words.Process(p)), words.Own(r), by),
		Evidence: []model.Evidence{words.ProcessAs(p, fmt.Sprintf("/proc/%d/stat has state %c", p.PID, s))}, Hint: hint,
	}}
}
