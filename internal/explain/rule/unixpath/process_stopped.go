package unixpath

import (
	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/rule/listener"
	"lodge/internal/model"
)

// ProcessStopped finds that the process which listens at the path is stopped.
func ProcessStopped() rule.Rule {
	r := listener.ProcessStopped()
	r.Weight = nil
	r.Check = func(f *facts.Facts) []model.Finding {
		if connectOutcome(f) != listening {
			return nil
		}
		var out []model.Finding
		for _, r := range f.UnixListeners() {
			out = append(out, listener.Stopped(f, r)...)
		}
		return out
	}
	return r
}
