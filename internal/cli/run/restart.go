package run

import (
	"context"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/operation"
)

// Restart returns the command lodge restart.
func Restart(k *kit.Kit) *cobra.Command {
	sel := session.Select(k)
	var asJSON bool
	c := &cobra.Command{
		Use:   "restart [SERVICE...]",
		Short: "Restart services, and return when they are ready",
		Long:  "Restart the services named, or all, with what lodge.toml says now, and return when they are ready again.",
		Example: `  lodge restart            all services
  lodge restart web api`,
		RunE: sel.WithServices(func(c *cobra.Command, names []string) error {
			return restart(c.Context(), sel, names, asJSON)
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "the project as JSON, as lodge ls has it, also if a service failed")
	sel.Flag(c)
	sel.CompleteServices(c, 0)
	return c
}

func restart(ctx context.Context, sel *session.Selection, names []string, asJSON bool) error {
	got, err := sel.Operations().Restart(ctx, operation.Restarts{Services: names, Always: asJSON, Quiet: true})
	if asJSON {
		return printProjects(sel.Kit, got.Projects, err)
	}
	return err
}
