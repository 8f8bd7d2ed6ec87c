package project

import (
	"fmt"
	"path"
	"strings"

	"lodge/internal/project/syntax"
)

// watchProblem reports why a pattern cannot be watched, and what to write
// instead; both are "" where it can. Patterns are those of gitignore(5), less
// what is not written on purpose: a pattern that matches nothing is only found
// out by waiting for a restart that does not come.
func watchProblem(pattern string) (problem, hint string) {
	bare := strings.TrimPrefix(pattern, "!")
	switch {
	case strings.Trim(bare, " \t/") == "":
		return "a pattern cannot be empty", ""
	case strings.ContainsAny(bare, "{}"):
		return fmt.Sprintf("%s has braces, which patterns do not know", syntax.Ellipsis(pattern)), "write one pattern for each"
	}
	for _, segment := range strings.Split(bare, "/") {
		switch {
		case segment == "..":
			return fmt.Sprintf("%s leads out of the service's dir", syntax.Ellipsis(pattern)), ""
		case segment != "**" && strings.Contains(segment, "**"):
			return fmt.Sprintf("%s has ** beside other characters", syntax.Ellipsis(pattern)),
				fmt.Sprintf("did you mean %q?", strings.Replace(pattern, segment, strings.ReplaceAll(segment, "**", "**/*"), 1))
		}
		if _, err := path.Match(segment, "x"); err != nil {
			return fmt.Sprintf("%s is not a pattern: a [ is not closed, a range is wrong, or a backslash ends it", syntax.Ellipsis(pattern)), ""
		}
	}
	return "", ""
}
