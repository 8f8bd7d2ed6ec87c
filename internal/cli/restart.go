package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"lodge/internal/localapi"
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
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	st, err := a.find(ctx, c, false)
	if err != nil {
		return err
	}
	p, err := a.loadOf(st)
	if err == nil {
		err = p.Resolve(a.env.Environ)
	}
	if err != nil {
		return err
	}
	for _, n := range names {
		if _, err := serviceOf(st, n); err != nil && !slices.Contains(serviceNames(p), n) {
			return err
		}
	}
	a.noteSettings(p, st)
	s := localapi.NewSession(st)
	if err := s.DefineFrom(ctx, p.Dir, specs(p, st), a.childEnviron()); err != nil {
		return err
	}
	err = s.Restart(ctx, names)
	if asJSON {
		return a.told(ctx, c, s, err)
	}
	return err
}
