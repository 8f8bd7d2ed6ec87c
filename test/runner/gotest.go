package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"lodge/test/outcome"
)

// timeout is the bound of one package. The whole suite on two slow processors
// stays far below it.
const timeout = "45m"

// firstRun returns the arguments of `go test` for the whole run. The tests of
// the whole program, which take longest and wait most, begin first, beside all
// others: go test starts packages in the order in which they are named.
func firstRun(args []string) []string {
	if len(args) == 0 {
		args = []string{"./test", "./..."}
	}
	return append([]string{"-json", "-timeout", timeout}, args...)
}

// goTest runs `go test` and prints a line for each package when it ends. The
// second result is the error of go test itself, which a failing test gives too.
func goTest(args []string) (*outcome.Results, error, error) {
	cmd := exec.Command("go", append([]string{"test"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	res := outcome.New()
	err = outcome.Read(out, func(e outcome.Event) {
		if e.Action == "build-output" {
			fmt.Print(e.Output)
		}
		p := res.Add(e)
		switch {
		case p == nil || p.Status == outcome.Skipped: // no test files
		case p.Status == outcome.Passed:
			fmt.Printf("ok    %s  %.1fs\n", p.Path, p.Elapsed)
		default:
			fmt.Printf("FAIL  %s  %.1fs  %s\n", p.Path, p.Elapsed, strings.Join(p.FailedTop(), " "))
		}
	}, func(line string) { fmt.Println(line) })
	return res, cmd.Wait(), err
}

// rerun is one test, or a whole package where test is "".
type rerun struct{ pkg, test string }

func (r rerun) String() string {
	if r.test == "" {
		return r.pkg
	}
	return r.pkg + "/" + r.test
}

// args returns the arguments of `go test` for this rerun: those of the first
// run that say how tests are built and run, not which.
func (r rerun) args(first []string) []string {
	out := []string{"-json", "-timeout", timeout, "-count", "1"}
	if r.test != "" {
		out = append(out, "-run", "^"+r.test+"$")
	}
	var passOn bool // after -args all arguments are the test binary's
	for i := 0; i < len(first); i++ {
		a := first[i]
		if passOn || a == "-args" || a == "--args" {
			if !passOn {
				out = append(out, r.pkg)
			}
			passOn = true
			out = append(out, a)
			continue
		}
		name, _, valued := strings.Cut(strings.TrimLeft(a, "-"), "=")
		name = strings.TrimPrefix(name, "test.")
		switch {
		case a[0] != '-' && isPattern(a):
		case a[0] == '-' && slices.Contains([]string{"count", "timeout", "skip"}, name),
			a[0] == '-' && name == "run" && r.test != "":
			if !valued {
				i++
			}
		default:
			out = append(out, a)
		}
	}
	if !passOn {
		out = append(out, r.pkg)
	}
	return out
}

// isPattern reports whether an argument names packages.
func isPattern(a string) bool {
	return a == "." || a == ".." || a == "lodge" || strings.HasPrefix(a, "./") || strings.HasPrefix(a, "../") || strings.HasPrefix(a, "lodge/")
}
