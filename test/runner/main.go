// Command runner runs all tests with `go test -json` and closes with what a
// reader of a long log needs: the failures, every skip with its reason, and one
// line of counts.
//
// A test that failed runs once more, alone, when all others have ended. If it
// passes then, its name is listed as flaky; the run fails if it fails again, or
// if more than three were flaky. A skip that test/skips does not name is a
// failure when the tests run as root, where nothing may be missing.
package main

import (
	"fmt"
	"os"

	"lodge/test/outcome"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "runner:", err)
		code = 1
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	expected, err := outcome.ReadSkips("test/skips")
	if err != nil {
		return 1, err
	}
	first, testErr, err := goTest(firstRun(args))
	if err != nil {
		return 1, err
	}
	v, err := runAgain(os.Stdout, first, func(again rerun) (*outcome.Results, error) {
		res, _, err := goTest(again.args(args))
		return res, err
	})
	if err != nil {
		return 1, err
	}
	v.skips, v.root, v.goTestErr = expected, os.Getuid() == 0, testErr
	return v.report(os.Stdout), nil
}
