package project

import (
	"fmt"
	"strings"

	"lodge/internal/project/dotenv"
)

// textSize is sizeOf for a value that is a text for refs.Expand.
func textSize(name, text string) int { return dotenv.SizeOf(name, text) - strings.Count(text, "$$") }

// bound checks the size of the variables of a scope after a file was read.
func (r *resolver) bound(s *scope, f envFile) error {
	total := 0
	for name, text := range s.values {
		total += textSize(name, text)
	}
	switch {
	case total <= dotenv.MaxVariables:
		return nil
	case f.key == "":
		return fmt.Errorf("read %s: %s", f.path, dotenv.TooLargeTogether())
	}
	return r.vars.Fail(f.offset, f.key, dotenv.TooLargeTogether(), "")
}
