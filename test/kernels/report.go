package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"lodge/test/outcome"
)

// outputDir is where a machine leaves what its suites print, in the work
// directory.
const outputDir = "out"

func newOutput(work string) (string, error) {
	dir := filepath.Join(work, outputDir)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o755)
}

// report prints what the suites of a machine came to, and reports whether all
// is well.
func report(w io.Writer, release, dir string, todo []suite, verbose bool) (bool, error) {
	expected, err := outcome.ReadSkips("test/skips", "test/kernels/skips")
	if err != nil {
		return false, err
	}
	passed, failed, skipped := 0, 0, 0
	for _, s := range todo {
		p, err := readSuite(dir, s)
		if err != nil {
			return false, err
		}
		bad := p.With(outcome.Failed)
		if p.Broken() {
			bad = append(bad, p.With(outcome.Unfinished)...)
			bad = append(bad, &outcome.Test{Name: p.Path, Output: p.Output})
		}
		for _, t := range bad {
			fmt.Fprintf(w, "\n--- FAIL under %s: %s\n%s", release, t.Name, strings.Join(t.Output, ""))
		}
		if verbose {
			for _, t := range p.With(outcome.Passed) {
				fmt.Fprintf(w, "\n--- PASS under %s: %s\n%s", release, t.Name, strings.Join(t.Output, ""))
			}
		}
		for _, t := range p.With(outcome.Skipped) {
			why, note := outcome.Reason(t.Output), "expected"
			if !expected.Expected(t.Name, why) {
				note = "UNEXPECTED"
				failed++
			}
			fmt.Fprintf(w, "  skipped %s: %s (%s)\n", t.Name, why, note)
		}
		passed += len(p.With(outcome.Passed))
		failed += len(bad)
		skipped += len(p.With(outcome.Skipped))
		if len(p.With(outcome.Passed))+len(bad) == 0 {
			fmt.Fprintf(w, "\n--- FAIL under %s: %s ran no test\n", release, s.name)
			failed++
		}
	}
	fmt.Fprintf(w, "kernel %s: %d passed, %d failed, %d skipped\n", release, passed, failed, skipped)
	return failed == 0, nil
}

// readSuite reads the output of a suite. One that never began, or did not end,
// is a package that failed.
func readSuite(dir string, s suite) (*outcome.Package, error) {
	pkg := "lodge/" + s.pkg
	res := outcome.New()
	f, err := os.Open(filepath.Join(dir, s.name+".out"))
	if err == nil {
		defer f.Close()
		cmd := exec.Command("go", "tool", "test2json", "-p", pkg)
		cmd.Stdin, cmd.Stderr = f, os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		readErr := outcome.Read(out, func(e outcome.Event) { res.Add(e) }, func(string) {})
		if err := cmd.Wait(); err != nil {
			return nil, fmt.Errorf("go tool test2json: %w", err)
		}
		if readErr != nil {
			return nil, readErr
		}
	}
	status, err := os.ReadFile(filepath.Join(dir, s.name+".status"))
	switch {
	case err != nil:
		res.Add(outcome.Event{Action: "output", Package: pkg, Output: s.name + " did not end\n"})
		res.Add(outcome.Event{Action: "fail", Package: pkg})
	case strings.TrimSpace(string(status)) != "0":
		res.Add(outcome.Event{Action: "output", Package: pkg, Output: s.name + ": exit status " + string(status)})
		res.Add(outcome.Event{Action: "fail", Package: pkg})
	}
	return res.Package(pkg), nil
}
