package outcome

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Skips are the skips that are expected.
type Skips []skip

type skip struct{ name, why *regexp.Regexp }

// ReadSkips reads files with one expected skip a line: a regular expression of
// package/test, a blank, and a regular expression of the reason.
func ReadSkips(paths ...string) (Skips, error) {
	var out Skips
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read expected skips: %w", err)
		}
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
	}
	return out, nil
}

// Expected reports whether a test may skip for that reason.
func (s Skips) Expected(name, why string) bool {
	return slices.ContainsFunc(s, func(e skip) bool { return e.name.MatchString(name) && e.why.MatchString(why) })
}

// Reason returns what a test said when it skipped: the last line of its output
// that is not the framework's own.
func Reason(output []string) string {
	for _, l := range slices.Backward(output) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "---") || strings.HasPrefix(l, "===") {
			continue
		}
		return l
	}
	return "no reason given"
}
