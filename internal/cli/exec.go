package cli

import (
	"context"

	"github.com/spf13/cobra"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/operation"
)

func (a *app) execCommand() *cobra.Command {
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
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, argv []string) error {
			as, err := a.qualified([]string{x.As})
			if err != nil {
				return err
			}
			x.Argv, x.As = argv, as[0]
			return a.runInside(c.Context(), x)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVar(&x.As, "as", "", "with the environment and in the directory of `SERVICE`")
	a.projectFlag(c)
	a.completesProjects(c)
	_ = c.RegisterFlagCompletionFunc("as", func(c *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return a.serviceWords(c, nil, begun), cobra.ShellCompDirectiveNoFileComp
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

func (a *app) runInside(ctx context.Context, in insideCommand) error {
	in.Privileged = operation.RealRoot()
	code := 0
	err := a.operations().Inside(ctx, in.Command, func(s *localapi.Session, x keeperapi.Exec) (err error) {
		a.noteNamespaces(s)
		code, err = a.attach(ctx, s, x)
		return err
	})
	if err == nil && code != 0 {
		err = &exitError{code: code}
	}
	return err
}
