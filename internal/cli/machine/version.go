package machine

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
)

// Version returns the command lodge version.
func Version(k *kit.Kit) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Which lodge this is",
		Example: "  lodge version --json",
		Args:    kit.Args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return k.PrintJSON(map[string]string{"version": k.Env.Version, "go_version": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
			}
			fmt.Fprintf(k.Out, "lodge %s (%s, %s/%s)\n", k.Env.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}
