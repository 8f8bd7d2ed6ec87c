package outcome

import (
	"slices"
	"strings"
	"testing"
)

// Streams as go 1.26 prints them, without their times.
const (
	failing = `{"Action":"start","Package":"j/x"}
{"Action":"run","Package":"j/x","Test":"TestA"}
{"Action":"output","Package":"j/x","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"run","Package":"j/x","Test":"TestA/s"}
{"Action":"output","Package":"j/x","Test":"TestA/s","Output":"    x_test.go:3: no\n"}
{"Action":"output","Package":"j/x","Test":"TestA/s","Output":"--- FAIL: TestA/s (0.00s)\n"}
{"Action":"fail","Package":"j/x","Test":"TestA/s","Elapsed":0}
{"Action":"output","Package":"j/x","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}
{"Action":"fail","Package":"j/x","Test":"TestA","Elapsed":0}
{"Action":"run","Package":"j/x","Test":"TestB"}
{"Action":"pass","Package":"j/x","Test":"TestB","Elapsed":0}
{"Action":"run","Package":"j/x","Test":"TestC"}
{"Action":"output","Package":"j/x","Test":"TestC","Output":"=== RUN   TestC\n"}
{"Action":"output","Package":"j/x","Test":"TestC","Output":"    x_test.go:9: it needs root\n"}
{"Action":"output","Package":"j/x","Test":"TestC","Output":"--- SKIP: TestC (0.00s)\n"}
{"Action":"skip","Package":"j/x","Test":"TestC","Elapsed":0}
{"Action":"output","Package":"j/x","Output":"FAIL\n"}
{"Action":"output","Package":"j/x","Output":"FAIL\tj/x\t0.026s\n"}
{"Action":"fail","Package":"j/x","Elapsed":0.026}
`
	panicking = `{"Action":"start","Package":"j/x"}
{"Action":"run","Package":"j/x","Test":"TestA"}
{"Action":"pass","Package":"j/x","Test":"TestA","Elapsed":0}
{"Action":"run","Package":"j/x","Test":"TestPanic"}
{"Action":"output","Package":"j/x","Test":"TestPanic","Output":"--- FAIL: TestPanic (0.00s)\n"}
{"Action":"output","Package":"j/x","Test":"TestPanic","Output":"panic: x [recovered, repanicked]\n"}
{"Action":"fail","Package":"j/x","Test":"TestPanic","Elapsed":0}
{"Action":"output","Package":"j/x","Output":"FAIL\tj/x\t0.024s\n"}
{"Action":"fail","Package":"j/x","Elapsed":0.026}
`
	timedOut = `{"Action":"start","Package":"j/x"}
{"Action":"run","Package":"j/x","Test":"TestSlow"}
{"Action":"output","Package":"j/x","Test":"TestSlow","Output":"panic: test timed out after 2s\n"}
{"Action":"output","Package":"j/x","Output":"FAIL\tj/x\t2.029s\n"}
{"Action":"fail","Package":"j/x","Elapsed":2.03}
`
	unbuilt = `# a line of the go command
{"ImportPath":"j/x.test","Action":"build-output","Output":"# j/x\n"}
{"ImportPath":"j/x.test","Action":"build-output","Output":"x/x_test.go:7:9: expected ')', found '{'\n"}
{"ImportPath":"j/x.test","Action":"build-fail"}
{"Action":"start","Package":"j/x"}
{"Action":"output","Package":"j/x","Output":"FAIL\tj/x [setup failed]\n"}
{"Action":"fail","Package":"j/x","Elapsed":0,"FailedBuild":"j/x.test"}
`
	testMainFails = `{"Action":"start","Package":"j/x"}
{"Action":"run","Package":"j/x","Test":"TestA"}
{"Action":"pass","Package":"j/x","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"j/x","Output":"PASS\n"}
{"Action":"output","Package":"j/x","Output":"2 goroutines are left\n"}
{"Action":"output","Package":"j/x","Output":"FAIL\tj/x\t0.024s\n"}
{"Action":"fail","Package":"j/x","Elapsed":0.026}
`
	passing = `{"Action":"start","Package":"j/x"}
{"Action":"run","Package":"j/x","Test":"TestA"}
{"Action":"run","Package":"j/x","Test":"TestA/s"}
{"Action":"pass","Package":"j/x","Test":"TestA/s","Elapsed":0}
{"Action":"pass","Package":"j/x","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"j/x","Output":"PASS\n"}
{"Action":"output","Package":"j/x","Output":"ok  \tj/x\t0.024s\n"}
{"Action":"pass","Package":"j/x","Elapsed":0.026}
`
)

func read(t *testing.T, stream string) (*Results, []string) {
	t.Helper()
	r := New()
	var other []string
	if err := Read(strings.NewReader(stream), func(e Event) { r.Add(e) }, func(l string) { other = append(other, l) }); err != nil {
		t.Fatal(err)
	}
	return r, other
}

func names(tests []*Test) string {
	var out []string
	for _, t := range tests {
		out = append(out, strings.TrimPrefix(t.Name, "j/x/"))
	}
	return strings.Join(out, " ")
}

func TestResults(t *testing.T) {
	for _, tt := range []struct {
		name, stream                        string
		passed, failed, skipped, unfinished string
		tops                                []string
		broken, built                       bool
		lines                               int
	}{
		{name: "a failing subtest", stream: failing, passed: "TestB", failed: "TestA TestA/s", skipped: "TestC", tops: []string{"TestA"}, built: true},
		{name: "a panic", stream: panicking, passed: "TestA", failed: "TestPanic", tops: []string{"TestPanic"}, broken: true, built: true},
		{name: "a timeout", stream: timedOut, unfinished: "TestSlow", broken: true, built: true},
		{name: "no build", stream: unbuilt, broken: true, lines: 1},
		{name: "TestMain fails", stream: testMainFails, passed: "TestA", broken: true, built: true},
		{name: "all is well", stream: passing, passed: "TestA TestA/s", built: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, other := read(t, tt.stream)
			p := r.Package("j/x")
			for _, c := range []struct {
				status Status
				want   string
			}{{Passed, tt.passed}, {Failed, tt.failed}, {Skipped, tt.skipped}, {Unfinished, tt.unfinished}} {
				if got := names(r.With(c.status)); got != c.want {
					t.Errorf("tests with status %d: %q, want %q", c.status, got, c.want)
				}
			}
			if got := p.FailedTop(); !slices.Equal(got, tt.tops) {
				t.Errorf("failed top-level tests: %v, want %v", got, tt.tops)
			}
			if p.Broken() != tt.broken || p.Built != tt.built || len(other) != tt.lines {
				t.Errorf("broken %t, built %t, %d other lines; want %t, %t, %d", p.Broken(), p.Built, len(other), tt.broken, tt.built, tt.lines)
			}
		})
	}
}

func TestBuildOutputIsThePackages(t *testing.T) {
	r, _ := read(t, unbuilt)
	if out := strings.Join(r.Package("j/x").Output, ""); !strings.Contains(out, "expected ')'") {
		t.Errorf("the package's output lacks the compiler's: %q", out)
	}
}

func TestReplace(t *testing.T) {
	r, _ := read(t, failing)
	second, _ := read(t, passing)
	p := r.Package("j/x")
	p.Replace("TestA", second.Package("j/x"))
	if names(r.With(Passed)) != "TestB TestA TestA/s" || len(r.With(Failed)) != 0 || p.Status != Passed || p.Broken() {
		t.Errorf("after the second run: passed %q, failed %q, status %d", names(r.With(Passed)), names(r.With(Failed)), p.Status)
	}
	// One that fails again replaces nothing that makes the package good.
	r, _ = read(t, failing)
	again, _ := read(t, failing)
	r.Package("j/x").Replace("TestA", again.Package("j/x"))
	if r.Package("j/x").Status != Failed {
		t.Errorf("status %d after TestA failed again", r.Package("j/x").Status)
	}
}

func TestReason(t *testing.T) {
	r, _ := read(t, failing)
	if got := Reason(r.With(Skipped)[0].Output); got != "x_test.go:9: it needs root" {
		t.Errorf("reason %q", got)
	}
	if got := Reason([]string{"=== RUN   TestC\n", "--- SKIP: TestC (0.00s)\n"}); got != "no reason given" {
		t.Errorf("reason %q of a skip without one", got)
	}
}
