package launch

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/refs"
)

// WhyTooLong returns the cause of a start that failed, and a hint. Where the
// kernel takes no such arguments or environment (E2BIG) it names what is too
// large; a value stays out of it.
func WhyTooLong(err error, argv, env []string) (cause, hint string) {
	if !errors.Is(err, unix.E2BIG) {
		return err.Error(), ""
	}
	for _, kv := range env {
		if len(kv)+1 > refs.MaxValue {
			name, _, _ := strings.Cut(kv, "=")
			return fmt.Sprintf("start it: the variable %s is larger than 128 KiB", clip(name)), refs.HintTooLarge
		}
	}
	total := 0
	for i, arg := range argv {
		if len(arg)+1 > refs.MaxValue {
			return fmt.Sprintf("start it: argument %d of its command is larger than 128 KiB", i),
				"Linux passes no larger one to a program: put it into a file"
		}
		total += len(arg) + 1
	}
	largest := ""
	for _, kv := range env {
		total += len(kv) + 1
		if len(kv) > len(largest) {
			largest = kv
		}
	}
	name, _, _ := strings.Cut(largest, "=")
	return fmt.Sprintf("start it: its arguments and environment are %d KiB together, more than it can be given", total>>10),
		fmt.Sprintf("the largest variable is %s, of %d KiB; the limit grows with the stack's: ulimit -s", clip(name), len(largest)>>10)
}

// clip cuts a name that is quoted in an error.
func clip(name string) string {
	const most = 48
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}
