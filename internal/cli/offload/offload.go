// Package offload has the commands of lodge that lodged carries out: those that need TLS,
// HTTP and certificates, which lodged has anyway and which every start of lodge would pay
// for. lodge reads the command line, prints help and errors of usage, and then executes
// lodged in its place ([session.Offload]); to the user it is the same command.
package offload

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/probe"
	"lodge/internal/cli/look/probe/probecmd"
	"lodge/internal/cli/look/tap"
	"lodge/internal/cli/look/tap/tapcmd"
	"lodge/internal/cli/machine/doctor"
	"lodge/internal/cli/machine/trust"
	"lodge/internal/cli/machine/trust/trustcmd"
)

// Run runs the command line of lodge in env.Args, without the program's name, and returns
// its exit status. A command that lodged does not carry out is wrong usage.
func Run(ctx context.Context, env kit.Env) int {
	out := &kit.Results{W: env.Stdout}
	k := kit.New(env, out)
	root := tree(k)
	root.SetArgs(append([]string{}, env.Args...)) // with nil, cobra reads os.Args
	return k.Run(ctx, func(ctx context.Context) error {
		err := root.ExecuteContext(ctx)
		if err == nil {
			err = out.Failed()
		}
		return err
	})
}

// tree returns the root of the commands that lodged carries out. It is called lodge, which
// is the name in errors and help.
func tree(k *kit.Kit) *cobra.Command {
	root := &cobra.Command{
		Use:           "lodge",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return notOffloaded(fmt.Sprintf("%q is none of its commands", args[0]))
		},
		RunE: func(*cobra.Command, []string) error { return notOffloaded("no command is given") },
	}
	root.SetOut(k.Out)
	root.SetErr(k.Err)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(kit.FlagError)
	root.SetHelpCommand(&cobra.Command{Use: "help", Hidden: true, RunE: func(*cobra.Command, []string) error {
		return notOffloaded("help is none of its commands")
	}})
	root.AddCommand(probecmd.Command(k, probe.Run), tapcmd.Command(k, tap.Run, tap.Diff), trustcmd.Command(k, trust.Run), doctor.Command(k, trust.Capabilities))
	return root
}

// notOffloaded returns the error of a command line that lodge does not pass to lodged.
func notOffloaded(why string) error {
	return &kit.UsageError{Err: fmt.Errorf("carry out a command of lodge's in lodged: %s", why), Hint: "lodge --help"}
}
