package outcome

import (
	"maps"
	"slices"
	"strings"
)

// Status is how a test ended.
type Status int

// Unfinished is the status of a test that began and reported no end: its
// process ended first.
const (
	Unfinished Status = iota
	Passed
	Failed
	Skipped
)

// Test is one test or subtest.
type Test struct {
	Name   string // with the package in front
	Status Status
	Output []string
}

// Package is what a run of one package gave.
type Package struct {
	Path    string
	Status  Status
	Elapsed float64
	// Built is false where the package did not compile.
	Built bool
	// Output is what no test printed.
	Output []string
	tests  map[string]*Test
	order  []string
	// verdict is set when the test binary printed its own FAIL or PASS, so that
	// it ran to its end.
	verdict bool
}

// Results are the packages of a run, in the order in which they began.
type Results struct {
	packages map[string]*Package
	order    []string
	builds   map[string][]string // output of builds, by import path
}

// New returns empty results.
func New() *Results {
	return &Results{packages: make(map[string]*Package), builds: make(map[string][]string)}
}

// Add records an event. It returns the package when the event ends it.
func (r *Results) Add(e Event) *Package {
	if e.Action == "build-output" {
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
		return nil
	}
	if e.Package == "" {
		return nil
	}
	p := r.pkg(e.Package)
	if e.Test != "" {
		p.add(e)
		return nil
	}
	switch e.Action {
	case "output":
		p.Output = append(p.Output, e.Output)
		p.verdict = p.verdict || e.Output == "FAIL\n" || e.Output == "PASS\n"
	case "pass", "fail", "skip":
		p.Status, p.Elapsed = status(e.Action), e.Elapsed
		if e.FailedBuild != "" {
			p.Built = false
			p.Output = append(p.Output, r.builds[e.FailedBuild]...)
		}
		return p
	}
	return nil
}

func (r *Results) pkg(path string) *Package {
	p := r.packages[path]
	if p == nil {
		p = &Package{Path: path, Built: true, tests: make(map[string]*Test)}
		r.packages[path] = p
		r.order = append(r.order, path)
	}
	return p
}

func status(action string) Status {
	switch action {
	case "pass":
		return Passed
	case "fail":
		return Failed
	case "skip":
		return Skipped
	}
	return Unfinished
}

func (p *Package) add(e Event) {
	t := p.tests[e.Test]
	if t == nil {
		t = &Test{Name: p.Path + "/" + e.Test}
		p.tests[e.Test] = t
		p.order = append(p.order, e.Test)
	}
	switch e.Action {
	case "output":
		t.Output = append(t.Output, e.Output)
	case "pass", "fail", "skip":
		// With -count a test ends several times: a failure stays.
		if t.Status != Failed {
			t.Status = status(e.Action)
		}
	}
}

// Packages returns all packages in the order in which they began.
func (r *Results) Packages() []*Package {
	var out []*Package
	for _, path := range r.order {
		out = append(out, r.packages[path])
	}
	return out
}

// Package returns the package of that path, or nil.
func (r *Results) Package(path string) *Package { return r.packages[path] }

// With returns the tests of that status in the order in which they began.
func (r *Results) With(s Status) []*Test {
	var out []*Test
	for _, p := range r.Packages() {
		out = append(out, p.With(s)...)
	}
	return out
}

// With returns the package's tests of that status.
func (p *Package) With(s Status) []*Test {
	var out []*Test
	for _, name := range p.order {
		if t := p.tests[name]; t.Status == s {
			out = append(out, t)
		}
	}
	return out
}

// Broken reports whether the package failed in a way that no failing test
// explains: it did not build, or its process ended before all tests did
// (a panic, a timeout, os.Exit), or TestMain failed.
func (p *Package) Broken() bool {
	if p.Status == Passed || p.Status == Skipped {
		return false
	}
	return !p.verdict || len(p.With(Failed)) == 0 || len(p.With(Unfinished)) > 0
}

// FailedTop returns the names of the top-level tests that failed, sorted.
func (p *Package) FailedTop() []string {
	tops := make(map[string]bool)
	for name, t := range p.tests {
		if t.Status == Failed {
			tops[Top(name)] = true
		}
	}
	return slices.Sorted(maps.Keys(tops))
}

// Top returns the top-level test of a test's name, which has no package.
func Top(name string) string {
	top, _, _ := strings.Cut(name, "/")
	return top
}

// Replace puts what another run of the package says of a top-level test, and
// its subtests, in the place of what is known of it.
func (p *Package) Replace(top string, by *Package) {
	p.order = slices.DeleteFunc(p.order, func(name string) bool { return Top(name) == top })
	maps.DeleteFunc(p.tests, func(name string, _ *Test) bool { return Top(name) == top })
	for _, name := range by.order {
		if Top(name) == top {
			p.tests[name] = by.tests[name]
			p.order = append(p.order, name)
		}
	}
	if p.verdict && len(p.With(Failed)) == 0 && len(p.With(Unfinished)) == 0 {
		p.Status = Passed
	}
}

// ReplacePackage puts another run of a whole package in the place of this one.
func (r *Results) ReplacePackage(by *Package) { r.packages[by.Path] = by }

// PassedTop reports whether the run has that top-level test, and it passed.
func (p *Package) PassedTop(top string) bool {
	t := p.tests[top]
	return t != nil && t.Status == Passed && len(p.FailedTop()) == 0
}
