package words

import (
	"fmt"

	"lodge/internal/explain/facts"
)

// Describe writes what ls -l would.
func Describe(u *facts.UnixSocket) string {
	what := "a socket"
	switch {
	case !u.Exists && u.DeniedBy != "":
		return fmt.Sprintf("%s may not be searched", u.DeniedBy)
	case !u.Socket:
		what = "no socket"
	}
	return fmt.Sprintf("%s is %s, %s, user %s, group %s", u.Path, what, u.Mode, u.User, u.Group)
}

// MaxShown bounds how many sockets of a kind are shown; JSON has all.
const (
	MaxShown = 5
)
