package cli

import (
	"context"

	"lodge/internal/operation"

	"github.com/spf13/cobra"
)

func (a *app) restartCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "restart [SERVICE...]",
		Short: "Restart services, and return when they are ready",
		Long:  "Restart the services named, or all, with what lodge.toml says now, and return when they are ready again.",
		Example: `  lodge restart            all services
  lodge restart web api`,
		RunE: a.withServices(func(c *cobra.Command, names []string) error {
			return a.restart(c.Context(), names, asJSON)
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "the project as JSON, as lodge ls has it, also if a service failed")
	a.projectFlag(c)
	a.completesServices(c, 0)
	return c
}

func (a *app) restart(ctx context.Context, names []string, asJSON bool) error {
	got, err := a.operations().Restart(ctx, operation.Restarts{Services: names, Always: asJSON, Quiet: true})
	if asJSON {
		return a.printProjects(got.Projects, err)
	}
	return err
}
