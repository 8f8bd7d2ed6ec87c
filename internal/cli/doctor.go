package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "What works here, what does not, and why",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return a.doctor(c.Context(), asJSON) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

func (a *app) doctor(ctx context.Context, asJSON bool) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := c.Doctor(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(d)
	}
	fmt.Fprintf(a.out, "lodge %s\nengine: %s (%s)\n\n", d.Version, d.Engine, d.EngineReason)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, k := range d.Capabilities {
		fmt.Fprintf(w, "%s\t%s\t%s\n", k.Name, k.Status, k.Reason)
		if k.Hint != "" {
			fmt.Fprintf(w, "\t\t-> %s\n", k.Hint)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, warn := range d.Warnings {
		fmt.Fprintln(a.err, "lodge: "+warn)
	}
	return nil
}
