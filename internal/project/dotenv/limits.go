package dotenv

import (
	"fmt"

	"lodge/internal/refs"
)

const (
	// MaxVariables bounds the variables of a file or a service together, in bytes:
	// what Linux passes to a program at most, arguments included (execve(2): three
	// quarters of _STK_LIM).
	MaxVariables = 6 << 20
	// maxLookedUp bounds the values that one file's references are replaced by.
	maxLookedUp = 64 << 20

	// TooLarge is the error for a value over refs.MaxValue.
	TooLarge = "the value is larger than 128 KiB"
)

// SizeOf returns the bytes that a variable takes of what Linux passes to a program.
func SizeOf(name, value string) int { return len(name) + len(value) + len("=\x00") }

// bound checks the size of a variable whose value stands at an offset, and that of
// all until here.
func (d *dotenv) bound(name, value string, at int) error {
	n := SizeOf(name, value)
	d.total += n
	switch {
	case n > refs.MaxValue:
		return d.Fail(at, shown(name), TooLarge, refs.HintTooLarge)
	case d.total > MaxVariables:
		return d.Fail(at, shown(name), TooLargeTogether(), "")
	}
	return nil
}

// TooLargeTogether returns the error for variables over MaxVariables.
func TooLargeTogether() string {
	return fmt.Sprintf("the variables up to here are larger than %d MiB together, and Linux passes no more to a program", MaxVariables>>20)
}

// shown returns a variable's name as errors have it.
func shown(name string) string {
	const most = 48
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}
