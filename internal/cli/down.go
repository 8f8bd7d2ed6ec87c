package cli

import (
	"context"
	"errors"
	"fmt"

	"lodge/internal/operation"

	"github.com/spf13/cobra"
)

func (a *app) downCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "down [SERVICE...]",
		Short: "Stop the project here, or single services",
		Long:  "Stop every process inside the project here and give up its home, or stop only the services named.",
		Example: `  lodge down               the project here, with all that runs inside
  lodge down web           one service; the others go on
  lodge down --project shop    another project, also if its directory is gone
  lodge down --all`,
		RunE: a.withServices(func(c *cobra.Command, names []string) error {
			return a.down(c.Context(), names, all)
		}),
	}
	c.Flags().BoolVar(&all, "all", false, "every project of this user")
	a.projectFlag(c)
	a.completesServices(c, 0)
	return c
}

func (a *app) down(ctx context.Context, names []string, all bool) error {
	c, ps, err := a.listed(ctx, false)
	if err != nil {
		return err
	}
	var d operation.Daemon // nil: the keepers are asked without one
	if c != nil {
		defer c.Close()
		d = c
	} else {
		a.warn(ps.Warnings)
	}
	err = a.operations().Down(ctx, d, ps.Projects, operation.Downs{Services: names, All: all})
	if errors.Is(err, operation.ErrNothingUp) {
		fmt.Fprintln(a.err, "nothing is up here")
		return nil
	}
	return err
}
