package project

import (
	"fmt"
	"strings"

	"lodge/internal/refs"
)

const (
	// maxVariables bounds the variables of a file or a service together, in bytes:
	// what Linux passes to a program at most, arguments included (execve(2): three
	// quarters of _STK_LIM).
	maxVariables = 6 << 20
	// maxLookedUp bounds the values that one file's references are replaced by.
	maxLookedUp = 64 << 20

	tooLarge = "the value is larger than 128 KiB"
)

// sizeOf returns the bytes that a variable takes of what Linux passes to a program.
func sizeOf(name, value string) int { return len(name) + len(value) + len("=\x00") }

// bound checks the size of a variable whose value stands at an offset, and that of
// all until here.
func (d *dotenv) bound(name, value string, at int) error {
	n := sizeOf(name, value)
	d.total += n
	switch {
	case n > refs.MaxValue:
		return d.fail(at, shown(name), tooLarge, refs.HintTooLarge)
	case d.total > maxVariables:
		return d.fail(at, shown(name), tooLargeTogether(), "")
	}
	return nil
}

func tooLargeTogether() string {
	return fmt.Sprintf("the variables up to here are larger than %d MiB together, and Linux passes no more to a program", maxVariables>>20)
}

// shown returns a variable's name as errors have it.
func shown(name string) string {
	const most = 48
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}

// textSize is sizeOf for a value that is a text for refs.Expand.
func textSize(name, text string) int { return sizeOf(name, text) - strings.Count(text, "$$") }

// bound checks the size of the variables of a scope after a file was read.
func (r *resolver) bound(s *scope, f envFile) error {
	total := 0
	for name, text := range s.values {
		total += textSize(name, text)
	}
	switch {
	case total <= maxVariables:
		return nil
	case f.key == "":
		return fmt.Errorf("read %s: %s", f.path, tooLargeTogether())
	}
	return r.vars.fail(f.offset, f.key, tooLargeTogether(), "")
}
