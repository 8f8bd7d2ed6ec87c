package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/test/outcome"
)

// stream makes a stream of one package: each test is a name and how it ended,
// such as "TestA fail"; "hang" has no end. The last of a broken package is "!".
func stream(pkg string, tests ...string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(`{"Action":"start","Package":%q}`, pkg)
	result := "pass"
	broken := false
	for _, x := range tests {
		if x == "!" {
			broken, result = true, "fail"
			continue
		}
		name, end, _ := strings.Cut(x, " ")
		line(`{"Action":"run","Package":%q,"Test":%q}`, pkg, name)
		line(`{"Action":"output","Package":%q,"Test":%q,"Output":"    x_test.go:1: %s said\n"}`, pkg, name, name)
		if end == "hang" {
			continue
		}
		line(`{"Action":%q,"Package":%q,"Test":%q,"Elapsed":0}`, end, pkg, name)
		if end == "fail" {
			result = "fail"
		}
	}
	if !broken {
		line(`{"Action":"output","Package":%q,"Output":"%s\n"}`, pkg, map[string]string{"pass": "PASS", "fail": "FAIL"}[result])
	}
	line(`{"Action":%q,"Package":%q,"Elapsed":1}`, result, pkg)
	return b.String()
}

func results(t *testing.T, streams ...string) *outcome.Results {
	t.Helper()
	res := outcome.New()
	err := outcome.Read(strings.NewReader(strings.Join(streams, "")), func(e outcome.Event) { res.Add(e) }, func(l string) { t.Errorf("not an event: %s", l) })
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// The whole way from streams to the closing lines and the exit status.
func TestVerdict(t *testing.T) {
	const unbuilt = `{"ImportPath":"l/b.test","Action":"build-output","Output":"b.go:1: no\n"}
{"ImportPath":"l/b.test","Action":"build-fail"}
{"Action":"start","Package":"l/b"}
{"Action":"fail","Package":"l/b","Elapsed":0,"FailedBuild":"l/b.test"}
`
	many := func(n int, end string) []string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf("Test%c %s", 'A'+i, end))
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		first  []string
		second map[string]string // by what runs again
		again  []string          // what must run again, in this order
		flaky  []string
		last   string
		code   int
		says   []string
		user   bool
	}{
		{name: "all pass", first: []string{stream("l/a", "TestA pass", "TestB pass"), stream("l/b", "TestA pass")}, last: "3 passed, 0 failed, 0 skipped"},
		{name: "nothing ran", first: nil, last: "0 passed, 0 failed, 0 skipped", code: 1},
		{name: "one fails once",
			first:  []string{stream("l/a", "TestA fail", "TestB pass"), stream("l/b", "TestA pass")},
			second: map[string]string{"l/a/TestA": stream("l/a", "TestA pass")},
			again:  []string{"l/a/TestA"}, flaky: []string{"l/a/TestA"}, last: "3 passed, 0 failed, 0 skipped", says: []string{"--- FAILED ONCE: l/a/TestA", "TestA said"}},
		{name: "a subtest fails once",
			first:  []string{stream("l/a", "TestA/x fail", "TestA/y pass", "TestA fail")},
			second: map[string]string{"l/a/TestA": stream("l/a", "TestA/x pass", "TestA/y pass", "TestA pass")},
			again:  []string{"l/a/TestA"}, flaky: []string{"l/a/TestA"}, last: "3 passed, 0 failed, 0 skipped"},
		{name: "one fails twice",
			first:  []string{stream("l/a", "TestA fail", "TestB pass")},
			second: map[string]string{"l/a/TestA": stream("l/a", "TestA fail")},
			again:  []string{"l/a/TestA"}, last: "1 passed, 1 failed, 0 skipped", code: 1, says: []string{"--- FAIL: l/a/TestA"}},
		{name: "one fails and skips then",
			first:  []string{stream("l/a", "TestA fail", "TestB pass")},
			second: map[string]string{"l/a/TestA": stream("l/a", "TestA skip")},
			again:  []string{"l/a/TestA"}, last: "1 passed, 1 failed, 0 skipped", code: 1},
		{name: "a second run without the test proves nothing",
			first:  []string{stream("l/a", "TestA fail", "TestB pass")},
			second: map[string]string{"l/a/TestA": stream("l/a")},
			again:  []string{"l/a/TestA"}, last: "1 passed, 1 failed, 0 skipped", code: 1},
		{name: "three flaky",
			first:  []string{stream("l/a", many(3, "fail")...)},
			second: map[string]string{"l/a/TestA": stream("l/a", "TestA pass"), "l/a/TestB": stream("l/a", "TestB pass"), "l/a/TestC": stream("l/a", "TestC pass")},
			again:  []string{"l/a/TestA", "l/a/TestB", "l/a/TestC"}, flaky: []string{"l/a/TestA", "l/a/TestB", "l/a/TestC"}, last: "3 passed, 0 failed, 0 skipped"},
		{name: "four flaky are too many",
			first: []string{stream("l/a", many(4, "fail")...)},
			second: map[string]string{"l/a/TestA": stream("l/a", "TestA pass"), "l/a/TestB": stream("l/a", "TestB pass"),
				"l/a/TestC": stream("l/a", "TestC pass"), "l/a/TestD": stream("l/a", "TestD pass")},
			again: []string{"l/a/TestA", "l/a/TestB", "l/a/TestC", "l/a/TestD"}, flaky: []string{"l/a/TestA", "l/a/TestB", "l/a/TestC", "l/a/TestD"},
			last: "4 passed, 4 failed, 0 skipped", code: 1, says: []string{"more than 3 were flaky"}},
		{name: "much is broken", first: []string{stream("l/a", many(11, "fail")...)}, last: "0 passed, 11 failed, 0 skipped", code: 1, says: []string{"too many to run again"}},
		{name: "a panic, then all passes",
			first:  []string{stream("l/a", "TestA pass", "TestB fail", "!")},
			second: map[string]string{"l/a": stream("l/a", "TestA pass", "TestB pass", "TestC pass")},
			again:  []string{"l/a"}, flaky: []string{"l/a"}, last: "3 passed, 0 failed, 0 skipped", says: []string{"--- FAILED ONCE: l/a/TestB"}},
		{name: "a timeout twice",
			first:  []string{stream("l/a", "TestA pass", "TestB hang", "!")},
			second: map[string]string{"l/a": stream("l/a", "TestA pass", "TestB hang", "!")},
			again:  []string{"l/a"}, last: "1 passed, 2 failed, 0 skipped", code: 1, says: []string{"--- FAIL: l/a/TestB", "TestB said"}},
		{name: "a timeout, then another test fails",
			first:  []string{stream("l/a", "TestB hang", "!")},
			second: map[string]string{"l/a": stream("l/a", "TestA fail", "TestB pass")},
			again:  []string{"l/a"}, last: "1 passed, 1 failed, 0 skipped", code: 1, says: []string{"--- FAIL: l/a/TestA"}},
		{name: "what does not build fails for good", first: []string{stream("l/a", "TestA pass"), unbuilt}, last: "1 passed, 1 failed, 0 skipped", code: 1, says: []string{"--- FAIL: l/b", "b.go:1: no"}},
		{name: "an unexpected skip", first: []string{stream("l/a", "TestA pass", "TestB skip")}, last: "1 passed, 1 failed, 1 skipped", code: 1, says: []string{"l/a/TestB: x_test.go:1: TestB said (UNEXPECTED)"}},
		{name: "the same for an ordinary user", first: []string{stream("l/a", "TestA pass", "TestB skip")}, last: "1 passed, 0 failed, 1 skipped", user: true, says: []string{"l/a/TestB: x_test.go:1: TestB said (not as this user)"}},
		{name: "an expected skip", first: []string{stream("l/a", "TestA pass", "TestX skip")}, last: "1 passed, 0 failed, 1 skipped", says: []string{"(expected)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			var again []string
			first := results(t, tt.first...)
			v, err := runAgain(&out, first, func(r rerun) (*outcome.Results, error) {
				again = append(again, r.String())
				return results(t, tt.second[r.String()]), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			v.skips, v.root = expectedSkips(t, "^l/a/TestX$ TestX said\n"), !tt.user
			code := v.report(&out)
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if code != tt.code || lines[len(lines)-1] != tt.last {
				t.Errorf("status %d, last line %q; want %d, %q\n%s", code, lines[len(lines)-1], tt.code, tt.last, out.String())
			}
			if !slices.Equal(again, tt.again) {
				t.Errorf("ran again: %v, want %v", again, tt.again)
			}
			var flaky []string
			for _, l := range lines {
				if name, ok := strings.CutPrefix(l, "flaky: "); ok {
					flaky = append(flaky, name)
				}
			}
			if !slices.Equal(flaky, tt.flaky) {
				t.Errorf("flaky: %v, want %v", flaky, tt.flaky)
			}
			for _, want := range tt.says {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in:\n%s", want, out.String())
				}
			}
		})
	}
}

func expectedSkips(t *testing.T, text string) outcome.Skips {
	t.Helper()
	path := filepath.Join(t.TempDir(), "skips")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := outcome.ReadSkips(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An error of go test that no test explains is a failure, and one that a flaky
// test explains is not.
func TestGoTestFails(t *testing.T) {
	for _, tt := range []struct {
		flaky []flaky
		last  string
	}{{nil, "1 passed, 1 failed, 0 skipped\n"}, {[]flaky{{name: "l/a/TestA"}}, "1 passed, 0 failed, 0 skipped\n"}} {
		var out bytes.Buffer
		v := verdict{res: results(t, stream("l/a", "TestA pass")), flaky: tt.flaky, goTestErr: errors.New("exit status 2")}
		v.report(&out)
		if !strings.HasSuffix(out.String(), tt.last) {
			t.Errorf("flaky %v: %q, want the last line %q", tt.flaky, out.String(), tt.last)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		rerun rerun
		first string
		want  string
	}{
		{rerun{"lodge/test", "TestA"}, "", "-run ^TestA$ lodge/test"},
		{rerun{"lodge/test", "TestA"}, "./... -race", "-run ^TestA$ -race lodge/test"},
		{rerun{"lodge/test", "TestA"}, "-tags x -run TestA|TestB -count=20 -timeout 1h ./test", "-run ^TestA$ -tags x lodge/test"},
		{rerun{"lodge/test", ""}, "./test -run TestA|TestB -skip TestC", "-run TestA|TestB lodge/test"},
		{rerun{"lodge/test", "TestA"}, "./test -args -rounds 200", "-run ^TestA$ lodge/test -args -rounds 200"},
	} {
		got := strings.Join(tt.rerun.args(strings.Fields(tt.first)), " ")
		if want := "-json -timeout " + timeout + " -count 1 " + tt.want; got != want {
			t.Errorf("%s after %q: %s, want %s", tt.rerun, tt.first, got, want)
		}
	}
}
