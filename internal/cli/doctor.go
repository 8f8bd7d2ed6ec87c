package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"lodge/internal/localapi"
	"lodge/internal/show/table"
	"lodge/internal/trust"
	"lodge/internal/trust/proof"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON, withTrust bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "What works here, what does not, and why",
		Long:  "Show each thing that lodge can do as yes, no or unknown, with the reason, and the command that changes it.",
		Example: `  lodge doctor
  lodge doctor --trust     and which programs believe lodge's certificates`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return a.doctor(c.Context(), asJSON, withTrust) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.Flags().BoolVar(&withTrust, "trust", false, "also let each installed program (curl, python3, node, java, browsers) make an HTTPS request, which takes some seconds")
	return c
}

func (a *app) doctor(ctx context.Context, asJSON, withTrust bool) error {
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := c.Doctor(ctx)
	if err != nil {
		return err
	}
	if withTrust {
		more, err := a.trustCapabilities(ctx)
		if err != nil {
			return err
		}
		d.Capabilities = append(d.Capabilities, more...)
	}
	if asJSON {
		return a.printJSON(d)
	}
	fmt.Fprintf(a.out, "lodge %s\nengine: %s (%s)\n\n", d.Version, d.Engine, d.EngineReason)
	w := table.NewTabs(a.out)
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

// trustCapabilities reports which programs trust the names, as real handshakes of
// theirs show.
func (a *app) trustCapabilities(ctx context.Context) ([]localapi.Capability, error) {
	authority, err := trust.Open(trust.Options{Dir: a.dirs().Trust()})
	if err != nil {
		return nil, trustError(err)
	}
	results, err := a.handshakes(ctx, authority)
	if err != nil {
		return nil, err
	}
	var out []localapi.Capability
	for _, r := range results {
		c := localapi.Capability{Name: "https names in " + r.Client, Status: "unknown", Reason: r.Reason, Hint: r.Hint}
		switch r.State {
		case proof.Trusted:
			c.Status, c.Reason = "yes", "its request was made"
		case proof.NotTrusted:
			c.Status = "no"
			if r.Inside == proof.Trusted {
				c.Reason = "inside projects it does; outside: " + r.Reason
			}
		case proof.NotInstalled:
			continue
		}
		out = append(out, c)
	}
	return out, nil
}
