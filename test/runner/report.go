package main

import (
	"fmt"
	"io"

	"lodge/test/outcome"
)

// flaky is a test, or a package, that failed and then passed.
type flaky struct {
	name   string
	before []*outcome.Test // its first failures
}

// verdict is what a run and its reruns came to.
type verdict struct {
	res       *outcome.Results
	flaky     []flaky
	skips     outcome.Skips
	root      bool
	goTestErr error // of the first run
}

// report prints the closing lines and returns the exit status.
func (v *verdict) report(w io.Writer) int {
	bad := v.failures(w)
	unexpected, skipped := v.skipped(w)
	if unexpected > 0 {
		fmt.Fprintf(w, "%d skips that test/skips does not name count as failures\n", unexpected)
	}
	bad += unexpected
	if len(v.flaky) > maxFlaky {
		bad += len(v.flaky)
	}
	passed := len(v.res.With(outcome.Passed))
	if v.goTestErr != nil && bad == 0 && len(v.flaky) == 0 {
		fmt.Fprintln(w, "go test:", v.goTestErr)
		bad++
	}
	v.listFlaky(w)
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", passed, bad, skipped)
	if bad > 0 || passed == 0 {
		return 1
	}
	return 0
}

// failures prints what failed for good, and returns how many.
func (v *verdict) failures(w io.Writer) int {
	n := 0
	for _, p := range v.res.Packages() {
		failed := p.With(outcome.Failed)
		if p.Broken() {
			// Tests that had no chance to end tell where the process ended.
			failed = append(failed, p.With(outcome.Unfinished)...)
			failed = append(failed, &outcome.Test{Name: p.Path, Output: p.Output})
		}
		for _, t := range failed {
			printTest(w, "--- FAIL: ", t)
		}
		n += len(failed)
	}
	return n
}

func printTest(w io.Writer, mark string, t *outcome.Test) {
	fmt.Fprintf(w, "\n%s%s\n", mark, t.Name)
	for _, l := range t.Output {
		fmt.Fprint(w, l)
	}
}

// skipped prints each skip with its reason, and returns how many count as
// failures and how many there are. An ordinary user cannot install what is
// missing and cannot be root, so there every skip is as it should be.
func (v *verdict) skipped(w io.Writer) (unexpected, all int) {
	tests := v.res.With(outcome.Skipped)
	if len(tests) > 0 {
		fmt.Fprintln(w, "\nskipped, each with its reason:")
	}
	for _, t := range tests {
		why := outcome.Reason(t.Output)
		mark := "expected"
		switch {
		case v.skips.Expected(t.Name, why):
		case v.root:
			mark = "UNEXPECTED"
			unexpected++
		default:
			mark = "not as this user"
		}
		fmt.Fprintf(w, "  %s: %s (%s)\n", t.Name, why, mark)
	}
	return unexpected, len(tests)
}

func (v *verdict) listFlaky(w io.Writer) {
	for _, f := range v.flaky {
		for _, t := range f.before {
			printTest(w, "--- FAILED ONCE: ", t)
		}
	}
	if len(v.flaky) > 0 {
		fmt.Fprintln(w)
	}
	for _, f := range v.flaky {
		fmt.Fprintln(w, "flaky:", f.name)
	}
	if len(v.flaky) > maxFlaky {
		fmt.Fprintf(w, "more than %d were flaky: they count as failures\n", maxFlaky)
	}
}
