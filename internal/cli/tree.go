package cli

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/look"
	"lodge/internal/cli/look/events"
	"lodge/internal/cli/look/explain"
	"lodge/internal/cli/look/ports"
	"lodge/internal/cli/look/probe"
	"lodge/internal/cli/look/top"
	"lodge/internal/cli/machine"
	"lodge/internal/cli/run"
)

// Commands returns the tree of commands, for what is made of their help: manual
// pages and completions. It reads neither the disk nor the environment; what may be
// executed of it are `help` and `completion`, which write to out.
func Commands(version string, out io.Writer) *cobra.Command {
	results := &kit.Results{W: out}
	k := kit.New(kit.Env{Version: version}, results)
	k.Err = io.Discard
	root := tree(k)
	root.SetOut(results)
	strictCompletion(root) // cobra notes where its scripts go
	return root
}

// The groups in which help lists commands.
const (
	groupRun     = "run"
	groupLook    = "look"
	groupMachine = "machine"
)

// tree returns the root of all commands. Making it reads nothing from the disk.
func tree(k *kit.Kit) *cobra.Command {
	root := &cobra.Command{
		Use:   "lodge",
		Short: "Give every project on this machine its own localhost",
		Example: `  lodge up                      the project here: its lodge.toml, or its Procfile
  lodge run -- npm run dev      one command, without any file
  lodge explain :3000           what is there?`,
		Version:       k.Env.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := "lodge --help"
			if s := nearestCommand(c, args[0]); s != "" {
				hint = "lodge " + s
			}
			return &kit.UsageError{Err: fmt.Errorf("unknown command %q", args[0]), Hint: hint}
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("lodge {{.Version}}\n")
	root.CompletionOptions.DisableDescriptions = true
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(kit.FlagError)
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run:"}, &cobra.Group{ID: groupLook, Title: "Look:"}, &cobra.Group{ID: groupMachine, Title: "Set up this machine:"})
	root.AddCommand(commands(k)...)
	return root
}

// commands lists every command.
func commands(k *kit.Kit) []*cobra.Command {
	return slices.Concat(
		inGroup(groupRun, run.Up(k), run.Down(k), run.Restart(k), run.Run(k), run.Exec(k), run.Wait(k)),
		inGroup(groupLook, look.Ls(k), look.Logs(k), look.Open(k), ports.Command(k), explain.Command(k), probe.Command(k), top.Command(k), events.Command(k)),
		inGroup(groupMachine, machine.Trust(k), machine.Setup(k), machine.Doctor(k)),
		[]*cobra.Command{machine.Version(k), machine.Daemon(k), machine.Keeper(k)},
	)
}

func inGroup(id string, commands ...*cobra.Command) []*cobra.Command {
	for _, c := range commands {
		c.GroupID = id
	}
	return commands
}
