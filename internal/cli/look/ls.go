// Package look has the commands that show a project: ls, logs and open. Those that look
// at the whole machine are a package each, below this one.
package look

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/projecttable"
	"lodge/internal/cli/session"
)

// Ls returns the command lodge ls.
func Ls(k *kit.Kit) *cobra.Command {
	var asJSON, all, watch bool
	c := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"ps", "status"},
		Short:   "What runs: projects, services, homes and ports",
		Long: "List what runs: each service with its state, its project's home, its ports and its name.\n" +
			"What runs outside of lodge is in `lodge ports`.",
		Example: `  lodge ls
  lodge ls --json | jq -r '.projects[].services[].url'`,
		Args: kit.Args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				k.CatchSignals()
				return watchLs(c.Context(), k, asJSON, all)
			}
			return ls(c.Context(), k, asJSON, all)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "list again whenever something changes; with --json one line each time")
	c.Flags().BoolVarP(&all, "all", "a", false, "also projects that are not up, with the home that they will have")
	return c
}

func ls(ctx context.Context, k *kit.Kit, asJSON, all bool) error {
	c, ps, err := session.Listed(ctx, k, all)
	if err != nil {
		return err
	}
	if c != nil {
		defer c.Close()
	}
	warnHalted(ps.Projects)
	if asJSON {
		return k.PrintJSON(ps)
	}
	k.Warn(ps.Warnings...)
	if len(ps.Projects) == 0 {
		fmt.Fprintln(k.Err, "nothing is up; start a project with `lodge up`, or one command with `lodge run -- CMD`")
		return nil
	}
	projecttable.Results(k).Print(ps.Projects)
	return nil
}
