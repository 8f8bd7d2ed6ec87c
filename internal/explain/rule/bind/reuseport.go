package bind

import (
	"lodge/internal/explain/facts"
	"lodge/internal/explain/rule"
	"lodge/internal/explain/rule/listener"
	"lodge/internal/model"
)

// ReusePort finds that several programs hold the port together. Where the question
// does not say that a bind failed, the rule of package listener tells it.
func ReusePort() rule.Rule {
	r := listener.ReusePort()
	r.Check = func(f *facts.Facts) []model.Finding {
		if f.Question.Operation != model.Bind {
			return nil
		}
		if h := holdersOf(f); h.serves {
			return listener.Shared(f, h.held)
		}
		return nil
	}
	return r
}
