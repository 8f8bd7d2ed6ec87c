// Package doctor is `lodge doctor`: what works here, as the daemon and, with --trust, the
// installed programs say.
package doctor

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/localapi"
	"lodge/internal/show/table"
)

// Trust returns which of the installed programs trust lodge's names.
type Trust = func(ctx context.Context, k *kit.Kit) ([]localapi.Capability, error)

// Command returns the command lodge doctor. Without trust, lodged carries it out where
// --trust is given.
func Command(k *kit.Kit, trust Trust) *cobra.Command {
	var asJSON, withTrust bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "What works here, what does not, and why",
		Long:  "Show each thing that lodge can do as yes, no or unknown, with the reason, and the command that changes it.",
		Example: `  lodge doctor
  lodge doctor --trust     and which programs believe lodge's certificates`,
		Args: kit.Args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if !withTrust {
				return run(c.Context(), k, asJSON, nil)
			}
			if trust == nil {
				return session.Offload(k)
			}
			return run(c.Context(), k, asJSON, trust)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.Flags().BoolVar(&withTrust, "trust", false, "also let each installed program (curl, python3, node, java, browsers) make an HTTPS request, which takes some seconds")
	return c
}

// run prints what the daemon says works here and, if trust is not nil, what it returns.
func run(ctx context.Context, k *kit.Kit, asJSON bool, trust Trust) error {
	c, err := session.Connect(ctx, k)
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := c.Doctor(ctx)
	if err != nil {
		return err
	}
	if trust != nil {
		more, err := trust(ctx, k)
		if err != nil {
			return err
		}
		d.Capabilities = append(d.Capabilities, more...)
	}
	if asJSON {
		return k.PrintJSON(d)
	}
	fmt.Fprintf(k.Out, "lodge %s\nengine: %s (%s)\n\n", d.Version, d.Engine, d.EngineReason)
	w := table.NewTabs(k.Out)
	for _, cp := range d.Capabilities {
		fmt.Fprintf(w, "%s\t%s\t%s\n", cp.Name, cp.Status, cp.Reason)
		if cp.Hint != "" {
			fmt.Fprintf(w, "\t\t-> %s\n", cp.Hint)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, warn := range d.Warnings {
		fmt.Fprintln(k.Err, "lodge: "+warn)
	}
	return nil
}
