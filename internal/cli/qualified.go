package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// qualified takes PROJECT/SERVICE, as ls, ports and explain write a service, for
// SERVICE with --project PROJECT. It returns the names of the services.
func (a *app) qualified(names []string) ([]string, error) {
	out := make([]string, 0, len(names))
	of := a.project
	for _, name := range names {
		i := strings.LastIndexByte(name, '/')
		if i <= 0 || i == len(name)-1 {
			out = append(out, name)
			continue
		}
		if of != "" && of != name[:i] {
			return nil, &usageError{err: fmt.Errorf("find service %s: it is of project %s, and this is about %s", name, name[:i], of), hint: "one project at a time"}
		}
		of = name[:i]
		out = append(out, name[i+1:])
	}
	for _, name := range names {
		if of != a.project && !strings.HasPrefix(name, of+"/") {
			return nil, &usageError{err: fmt.Errorf("find service %s: the others are of project %s", name, of), hint: "write " + of + "/" + name + ", or ask for it by itself"}
		}
	}
	a.project = of
	return out, nil
}

// withServices returns the RunE of a command whose arguments are services:
// qualified, they are handed to run.
func (a *app) withServices(run func(c *cobra.Command, names []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		names, err := a.qualified(args)
		if err != nil {
			return err
		}
		return run(c, names)
	}
}
