// Command runner runs all tests with `go test -json` and closes with what a
// reader of a long log needs: the failures, every skip with its reason, and one
// line of counts. A skip that test/skips does not name is a failure when the
// tests run as root, where nothing may be missing.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

type result struct {
	name   string
	output []string
}

type results struct {
	passed          int
	failed, skipped []result
	// output of tests and packages that have not ended yet
	open map[string][]string
}

func main() {
	args := os.Args[1:]
	if len(args) == 0 {
		args = []string{"./..."}
	}
	code, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "runner:", err)
		code = 1
	}
	os.Exit(code)
}

func run(args []string) (int, error) {
	expected, err := readSkips("test/skips")
	if err != nil {
		return 1, err
	}
	cmd := exec.Command("go", append([]string{"test", "-json", "-timeout", "20m"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	r := results{open: make(map[string][]string)}
	if err := r.read(out); err != nil {
		return 1, err
	}
	testErr := cmd.Wait()
	return r.report(expected, testErr), nil
}

func (r *results) read(in io.Reader) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var e event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			fmt.Println(sc.Text()) // such as a build error
			continue
		}
		key := e.Package
		if e.Test != "" {
			key += "/" + e.Test
		}
		switch e.Action {
		case "output", "build-output":
			r.open[key] = append(r.open[key], e.Output)
			if e.Action == "build-output" {
				fmt.Print(e.Output)
			}
			continue
		case "pass":
			if e.Test != "" {
				r.passed++
			} else {
				fmt.Printf("ok    %s  %.1fs\n", e.Package, e.Elapsed)
			}
		case "fail":
			if e.Test != "" {
				r.failed = append(r.failed, result{key, r.open[key]})
			} else {
				fmt.Printf("FAIL  %s  %.1fs\n", e.Package, e.Elapsed)
				if !slices.ContainsFunc(r.failed, func(f result) bool { return strings.HasPrefix(f.name, key+"/") }) {
					r.failed = append(r.failed, result{key, r.open[key]})
				}
			}
		case "skip":
			if e.Test != "" {
				r.skipped = append(r.skipped, result{key, r.open[key]})
			}
		default:
			continue
		}
		delete(r.open, key)
	}
	return sc.Err()
}

// report prints the closing lines and gives the exit status.
func (r *results) report(expected []skip, testErr error) int {
	for _, f := range r.failed {
		fmt.Printf("\n--- FAIL: %s\n", f.name)
		for _, l := range f.output {
			fmt.Print(l)
		}
	}
	var unexpected int
	if len(r.skipped) > 0 {
		fmt.Println("\nskipped, each with its reason:")
	}
	for _, s := range r.skipped {
		why := reason(s.output)
		mark := "expected"
		if !slices.ContainsFunc(expected, func(e skip) bool { return e.name.MatchString(s.name) && e.why.MatchString(why) }) {
			mark = "UNEXPECTED"
			unexpected++
		}
		fmt.Printf("  %s: %s (%s)\n", s.name, why, mark)
	}
	bad := len(r.failed)
	if os.Getuid() == 0 {
		if unexpected > 0 {
			fmt.Printf("%d skips that test/skips does not name count as failures\n", unexpected)
		}
		bad += unexpected
	}
	if testErr != nil && bad == 0 {
		fmt.Println("go test:", testErr)
		bad++
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", r.passed, bad, len(r.skipped))
	if bad > 0 || r.passed == 0 {
		return 1
	}
	return 0
}

// reason is what the test said when it skipped: the last line that is neither
// the framework's own nor a log of something else.
func reason(output []string) string {
	for _, l := range slices.Backward(output) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "---") || strings.HasPrefix(l, "===") {
			continue
		}
		return l
	}
	return "no reason given"
}

type skip struct{ name, why *regexp.Regexp }

func readSkips(path string) ([]skip, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read expected skips: %w", err)
	}
	var out []skip
	for i, l := range strings.Split(string(b), "\n") {
		if l = strings.TrimSpace(l); l == "" || l[0] == '#' {
			continue
		}
		name, why, _ := strings.Cut(l, " ")
		n, err := regexp.Compile(name)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		w, err := regexp.Compile(strings.TrimSpace(why))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		out = append(out, skip{n, w})
	}
	return out, nil
}
