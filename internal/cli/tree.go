package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/look"
	"lodge/internal/cli/look/events"
	"lodge/internal/cli/look/explain"
	"lodge/internal/cli/look/ports"
	"lodge/internal/cli/look/probe/probecmd"
	"lodge/internal/cli/look/tap/tapcmd"
	"lodge/internal/cli/look/top"
	"lodge/internal/cli/machine"
	"lodge/internal/cli/machine/doctor"
	"lodge/internal/cli/machine/trust/trustcmd"
	"lodge/internal/cli/run"
)

// Commands returns the tree of commands, for what is made of their help: manual
// pages and completions. It reads neither the disk nor the environment; what may be
// executed of it are `help` and `completion`, which write to out.
func Commands(version string, out io.Writer) *cobra.Command {
	results := &kit.Results{W: out}
	k := kit.New(kit.Env{Version: version}, results)
	k.Err = io.Discard
	return fullTree(k)
}

// The groups in which help lists commands.
const (
	groupRun     = "run"
	groupLook    = "look"
	groupMachine = "machine"
)

// newRoot returns the root of the commands, without any. Making it, and them, reads
// nothing from the disk.
func newRoot(k *kit.Kit) *cobra.Command {
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
	root.SetOut(k.Out) // before completion is made: cobra notes where its scripts go
	root.SetErr(k.Err)
	root.SetVersionTemplate("lodge {{.Version}}\n")
	root.CompletionOptions.DisableDescriptions = true
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(kit.FlagError)
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run:"}, &cobra.Group{ID: groupLook, Title: "Look:"}, &cobra.Group{ID: groupMachine, Title: "Set up this machine:"})
	return root
}

// An entry is one command: its name, the group in which help lists it, and what makes it.
type entry struct {
	group, name string
	command     func(*kit.Kit) *cobra.Command
	// brief: see kit.RunBrief.
	brief bool
}

// entries lists every command, in the order in which help lists them. What probe, trust
// and doctor --trust need is not linked here: lodged carries them out (package offload).
var entries = [...]entry{
	{group: groupRun, name: "up", command: run.Up},
	{group: groupRun, name: "down", command: run.Down},
	{group: groupRun, name: "restart", command: run.Restart},
	{group: groupRun, name: "run", command: run.Run},
	{group: groupRun, name: "exec", command: run.Exec},
	{group: groupRun, name: "wait", command: run.Wait},
	{group: groupLook, name: "ls", command: look.Ls, brief: true},
	{group: groupLook, name: "logs", command: look.Logs},
	{group: groupLook, name: "open", command: look.Open},
	{group: groupLook, name: "ports", command: ports.Command, brief: true},
	{group: groupLook, name: "explain", command: explain.Command},
	{group: groupLook, name: "probe", command: func(k *kit.Kit) *cobra.Command { return probecmd.Command(k, nil) }},
	{group: groupLook, name: "tap", command: func(k *kit.Kit) *cobra.Command { return tapcmd.Command(k, nil, nil) }},
	{group: groupLook, name: "top", command: top.Command},
	{group: groupLook, name: "events", command: events.Command},
	{group: groupMachine, name: "trust", command: func(k *kit.Kit) *cobra.Command { return trustcmd.Command(k, nil) }},
	{group: groupMachine, name: "setup", command: machine.Setup},
	{group: groupMachine, name: "doctor", command: func(k *kit.Kit) *cobra.Command { return doctor.Command(k, nil) }},
	{group: "", name: "version", command: machine.Version, brief: true},
	{group: "", name: "daemon", command: machine.Daemon},
}

// add adds a command to root.
func (e *entry) add(root *cobra.Command, k *kit.Kit) {
	c := e.command(k)
	c.GroupID = e.group
	root.AddCommand(c)
}

// fullTree returns the root of all commands.
func fullTree(k *kit.Kit) *cobra.Command {
	root := newRoot(k)
	for i := range entries {
		entries[i].add(root, k)
	}
	strictCompletion(root)
	return root
}

// treeFor returns the root of what a command line needs: of the one command that it
// begins with, since making all of them takes as long as the rest of a short command, or
// of all. It reports whether that command is brief.
func treeFor(k *kit.Kit, args []string) (root *cobra.Command, brief bool) {
	if len(args) > 0 {
		for i := range entries {
			if entries[i].name == args[0] {
				root = newRoot(k)
				root.CompletionOptions.DisableDefaultCmd = true
				entries[i].add(root, k)
				return root, entries[i].brief
			}
		}
	}
	return fullTree(k), false
}
