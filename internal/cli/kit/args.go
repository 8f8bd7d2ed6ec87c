package kit

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lodge/internal/project"
)

// Args makes cobra's checks of arguments wrong usage, and says in plain words
// which.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, got []string) error {
		if err := check(c, got); err != nil {
			why := "too many"
			switch {
			case len(got) == 0:
				why = "there are none"
			case check(c, nil) == nil && check(c, got[:1]) != nil:
				why = fmt.Sprintf("it takes none, and %q is one", got[0])
			}
			return &UsageError{Err: fmt.Errorf("read arguments of %s: %s", c.CommandPath(), why), Hint: "usage: " + c.UseLine()}
		}
		return nil
	}
}

// FlagError makes an error of reading flags wrong usage.
func FlagError(c *cobra.Command, err error) error {
	hint := c.CommandPath() + " --help"
	if e := (*pflag.NotExistError)(nil); errors.As(err, &e) && e.GetSpecifiedShortnames() == "" {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := project.Nearest(e.GetSpecifiedName(), names); near != "" {
			hint = c.CommandPath() + " --" + near
		}
	}
	return &UsageError{Err: fmt.Errorf("read flags of %s: %w", c.CommandPath(), plainFlagError(err)), Hint: hint}
}

// plainFlagError takes the name of Go's function out of what is wrong with a
// flag's value.
func plainFlagError(err error) error {
	var e *pflag.InvalidValueError
	var n *strconv.NumError
	if errors.As(err, &e) && errors.As(err, &n) {
		return fmt.Errorf("invalid argument %q for --%s: %w", e.GetValue(), e.GetFlag().Name, n.Err)
	}
	return err
}

// ParseSince reads a duration back from now, an RFC 3339 time, or a time of
// today.
func ParseSince(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			y, m, d := now.Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("read time %q: neither a duration nor a time", s)
}
