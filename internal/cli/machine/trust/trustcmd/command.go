// Package trustcmd has the flags and the help of `lodge trust`, for lodge and for lodged.
// What the command does is in package lodge/internal/cli/machine/trust, which needs X.509
// and TLS: only lodged links it, so that they do not cost every start of lodge.
package trustcmd

import (
	"context"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
)

// Flags has the values of the flags.
type Flags struct {
	Uninstall, Status, Check, PEM, Renew, JSON bool

	Only []string
	Root string
}

// Work carries out the command with its flags.
type Work = func(ctx context.Context, k *kit.Kit, f Flags) error

// Command returns the command lodge trust. Without work, lodged carries it out.
func Command(k *kit.Kit, work Work) *cobra.Command {
	var f Flags
	c := &cobra.Command{
		Use:   "trust",
		Short: "Make programs on this machine trust lodge's HTTPS names",
		Long: "Install the certificate of your own local authority into the system's store, the databases of Chromium and Firefox, and Java's key stores.\n" +
			"The authority can sign for localhost, test and the names below them, and for nothing else. What needs root is printed as a command.",
		Example: `  lodge trust              install it, and say what is left to do as root
  lodge trust --check      which programs believe it, by asking them
  lodge trust --uninstall`,
		Args: kit.Args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if work == nil {
				return session.Offload(k)
			}
			return work(c.Context(), k, f)
		},
	}
	c.Flags().BoolVar(&f.Uninstall, "uninstall", false, "take it out of all stores, and remove the authority")
	c.Flags().BoolVar(&f.Status, "status", false, "say in which stores it is")
	c.Flags().BoolVar(&f.Check, "check", false, "let each installed program make an HTTPS request, and say which trust it")
	c.Flags().BoolVar(&f.PEM, "pem", false, "print the authority's certificate")
	c.Flags().BoolVar(&f.Renew, "renew", false, "make a new authority, install it, and take the old one out")
	c.Flags().StringSliceVar(&f.Only, "only", nil, "only these `STORES`: system, nss, java")
	c.Flags().StringVar(&f.Root, "root", "/", "look for system paths below this `DIRECTORY`")
	c.Flags().BoolVar(&f.JSON, "json", false, "as JSON")
	return c
}
