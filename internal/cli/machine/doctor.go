package machine

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/localapi"
	"lodge/internal/show/table"
	"lodge/internal/trust"
	"lodge/internal/trust/proof"
)

// Doctor returns the command lodge doctor.
func Doctor(k *kit.Kit) *cobra.Command {
	var asJSON, withTrust bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "What works here, what does not, and why",
		Long:  "Show each thing that lodge can do as yes, no or unknown, with the reason, and the command that changes it.",
		Example: `  lodge doctor
  lodge doctor --trust     and which programs believe lodge's certificates`,
		Args: kit.Args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return doctor(c.Context(), k, asJSON, withTrust) },
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.Flags().BoolVar(&withTrust, "trust", false, "also let each installed program (curl, python3, node, java, browsers) make an HTTPS request, which takes some seconds")
	return c
}

func doctor(ctx context.Context, k *kit.Kit, asJSON, withTrust bool) error {
	c, err := session.Connect(ctx, k)
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := c.Doctor(ctx)
	if err != nil {
		return err
	}
	if withTrust {
		more, err := trustCapabilities(ctx, k)
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

// trustCapabilities reports which programs trust the names, as real handshakes of
// theirs show.
func trustCapabilities(ctx context.Context, k *kit.Kit) ([]localapi.Capability, error) {
	authority, err := trust.Open(trust.Options{Dir: k.Dirs().Trust()})
	if err != nil {
		return nil, trustError(err)
	}
	results, err := handshakes(ctx, k, authority)
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
