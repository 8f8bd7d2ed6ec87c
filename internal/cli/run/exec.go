package run

import (
	"context"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/operation"
)

// Exec returns the command lodge exec.
func Exec(k *kit.Kit) *cobra.Command {
	sel := session.Select(k)
	var x insideCommand
	c := &cobra.Command{
		Use:   "exec [flags] [--] CMD [ARG...]",
		Short: "Run a command inside, such as psql, curl or npm test",
		Long: "Run a command in the localhost of the project that the working directory belongs to. It has the project's\n" +
			"environment (env, env_file and .env), and NAME_HOST, NAME_PORT and NAME_URL of every service that listens.\n" +
			"It needs no lodge.toml and nothing that is up. Its exit status is lodge's; 127 says that it was not found,\n" +
			"126 that it cannot be executed.",
		Example: `  lodge exec -- psql -h localhost
  lodge exec -- curl -s localhost:8000
  lodge exec --as api -- npm run migrate    with the environment and in the directory of api
  lodge exec -- bash`,
		Args: kit.Args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, argv []string) error {
			as, err := sel.Qualify([]string{x.As})
			if err != nil {
				return err
			}
			x.Argv, x.As = argv, as[0]
			return runInside(c.Context(), sel, x)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVar(&x.As, "as", "", "with the environment and in the directory of `SERVICE`")
	sel.Flag(c)
	sel.CompleteProjects(c)
	_ = c.RegisterFlagCompletionFunc("as", func(c *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return sel.ServiceWords(c, nil, begun), cobra.ShellCompDirectiveNoFileComp
	})
	x.flags(c)
	return c
}

// insideCommand is a command to run inside.
type insideCommand struct{ operation.Command }

func (x *insideCommand) flags(c *cobra.Command) {
	c.Flags().BoolVar(&x.Names, "names", false, "the projects' names resolve in every program, by a hosts file of the command's own; for an ordinary user this\n"+
		"takes a user namespace, in which it sees less of the processes outside (default: where an argument has such a name)")
	choiceFlags(c, &x.Choice)
}

func runInside(ctx context.Context, sel *session.Selection, in insideCommand) error {
	in.Privileged = operation.RealRoot()
	code := 0
	err := sel.Operations().Inside(ctx, in.Command, func(s *localapi.Session, x keeperapi.Exec) (err error) {
		noteNamespaces(sel.Kit, s)
		code, err = attach(ctx, sel.Kit, s, x)
		return err
	})
	if err == nil && code != 0 {
		err = &kit.ExitError{Code: code}
	}
	return err
}
