package main

import (
	"fmt"
	"io"

	"lodge/test/outcome"
)

const (
	// maxFlaky is how many tests may fail once in a run that counts as good.
	maxFlaky = 3
	// maxAgain bounds the time of a run where much is broken: beyond it,
	// nothing runs again, and the failures stand.
	maxAgain = 10
)

// toRunAgain lists what failed and may pass in a second run. A package that
// ended before all its tests had (a panic, a timeout), or that failed without a
// failing test, runs again as a whole, since its other tests may never have
// run. A package that does not build fails for good.
func toRunAgain(res *outcome.Results) []rerun {
	var out []rerun
	for _, p := range res.Packages() {
		switch {
		case !p.Built:
		case p.Broken():
			out = append(out, rerun{pkg: p.Path})
		default:
			for _, top := range p.FailedTop() {
				out = append(out, rerun{p.Path, top})
			}
		}
	}
	return out
}

// runAgain runs what failed once more, one after the other, and merges what
// the second runs say into the results of the first.
func runAgain(w io.Writer, res *outcome.Results, goTest func(rerun) (*outcome.Results, error)) (*verdict, error) {
	v := &verdict{res: res}
	todo := toRunAgain(res)
	if len(todo) > maxAgain {
		fmt.Fprintf(w, "\n%d tests or packages failed, too many to run again\n", len(todo))
		return v, nil
	}
	for _, again := range todo {
		before := failures(res.Package(again.pkg), again.test)
		fmt.Fprintf(w, "\nfailed, and runs once more alone: %s\n", again)
		second, err := goTest(again)
		if err != nil {
			return nil, fmt.Errorf("run %s again: %w", again, err)
		}
		p := second.Package(again.pkg)
		switch {
		case p == nil: // go test could not even start it
		case again.test == "" && p.Status == outcome.Passed:
			v.flaky = append(v.flaky, flaky{again.String(), before})
			res.ReplacePackage(p)
		case again.test == "":
			res.ReplacePackage(p)
		case p.Status == outcome.Passed && p.PassedTop(again.test):
			v.flaky = append(v.flaky, flaky{again.String(), before})
			res.Package(again.pkg).Replace(again.test, p)
		}
	}
	return v, nil
}

// failures returns what the failing tests below a top-level test printed, or
// all of a package where top is "".
func failures(p *outcome.Package, top string) []*outcome.Test {
	var out []*outcome.Test
	for _, t := range append(p.With(outcome.Failed), p.With(outcome.Unfinished)...) {
		if top == "" || outcome.Top(t.Name[len(p.Path)+1:]) == top {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		out = append(out, &outcome.Test{Name: p.Path, Output: p.Output})
	}
	return out
}
