package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/operation"
)

// Down returns the command lodge down.
func Down(k *kit.Kit) *cobra.Command {
	sel := session.Select(k)
	var all bool
	c := &cobra.Command{
		Use:   "down [SERVICE...]",
		Short: "Stop the project here, or single services",
		Long:  "Stop every process inside the project here and give up its home, or stop only the services named.",
		Example: `  lodge down               the project here, with all that runs inside
  lodge down web           one service; the others go on
  lodge down --project shop    another project, also if its directory is gone
  lodge down --all`,
		RunE: sel.WithServices(func(c *cobra.Command, names []string) error {
			return down(c.Context(), sel, names, all)
		}),
	}
	c.Flags().BoolVar(&all, "all", false, "every project of this user")
	sel.Flag(c)
	sel.CompleteServices(c, 0)
	return c
}

func down(ctx context.Context, sel *session.Selection, names []string, all bool) error {
	c, ps, err := session.Listed(ctx, sel.Kit, false)
	if err != nil {
		return err
	}
	var d operation.Daemon // nil: the keepers are asked without one
	if c != nil {
		defer c.Close()
		d = c
	} else {
		sel.Warn(ps.Warnings...)
	}
	err = sel.Operations().Down(ctx, d, ps.Projects, operation.Downs{Services: names, All: all})
	if errors.Is(err, operation.ErrNothingUp) {
		fmt.Fprintln(sel.Err, "nothing is up here")
		return nil
	}
	return err
}
