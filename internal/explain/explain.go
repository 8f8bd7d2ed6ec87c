package explain

import (
	"context"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/gather"
	"lodge/internal/explain/input"
	"lodge/internal/explain/render"
	"lodge/internal/explain/rule"
)

// Answer is the answer to a question, and the facts that it is made of.
type Answer struct {
	Facts  *facts.Facts
	Report *render.Report
}

// Explain looks at this machine and answers a question. It makes no connection and
// binds nothing.
func Explain(ctx context.Context, q input.Question, src gather.Source) (*Answer, error) {
	f, err := gather.Gather(ctx, q, src)
	if err != nil {
		return nil, err
	}
	return &Answer{Facts: f, Report: Report(f)}, nil
}

// Report makes the answer of facts. It is pure.
func Report(f *facts.Facts) *render.Report {
	return render.New(f, func(f *facts.Facts) []rule.Found { return rule.Run(Causes(), f) })
}
