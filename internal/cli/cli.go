// Package cli is lodge's command line: one command a file, listed in commands.
// It is a library that tests call. It and package project alone read the
// environment, and only here is text made for people.
//
// What lodge prints, the rules: results go to standard output, everything else
// to standard error. An error is one line, "lodge: verb object: cause", that
// ends with a hint where there is one. Colour and spinners go to terminals
// only, and not where NO_COLOR is set.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/project"
	"lodge/internal/show"
	"lodge/internal/stall"
)

// Env is what a command line runs in.
type Env struct {
	Args    []string // without the program's name
	Environ []string
	Dir     string // the working directory, absolute
	DirErr  error  // why it is not known; Dir is / then
	Stdin   *os.File
	Stdout  *os.File
	Stderr  *os.File
	// Lodged is the daemon's program, Helper the privileged one; both are paths.
	Lodged, Helper string
	Version        string
}

// Exit statuses.
const (
	exitDone    = 0
	exitNotDone = 1
	exitUsage   = 2
	// After a signal it is 128 and the signal's number: see interrupts.
)

// usageError is wrong usage.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// hinted is an error with a hint of what to do.
type hinted struct {
	err  error
	hint string
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }

// exitError ends the program with the status of the command that it ran.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// app is one run of the command line.
type app struct {
	env     Env
	out     io.Writer
	err     io.Writer
	signals *interrupts

	project string // --project, or ""
	noted   bool   // see note
}

// Run runs the command line and gives the exit status.
func Run(ctx context.Context, env Env) int {
	out := &results{w: env.Stdout}
	a := &app{env: env, out: out, err: env.Stderr}
	root := a.root()
	root.SetArgs(append([]string{}, env.Args...)) // with nil, cobra reads os.Args
	root.SetOut(out)
	root.SetErr(env.Stderr)
	strictCompletion(root) // cobra notes where its scripts go
	return a.untilInterrupted(ctx, func(ctx context.Context) error {
		err := root.ExecuteContext(ctx)
		if err == nil && out.err != nil && !errors.Is(out.err, unix.EPIPE) {
			err = fmt.Errorf("print: %w", out.err)
		}
		return err
	})
}

// results is standard output that remembers the first error: a result that
// could not be printed is no success.
type results struct {
	w   io.Writer
	err error
}

func (r *results) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	if err != nil && r.err == nil {
		r.err = err
	}
	return n, err
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "lodge",
		Short: "Give every project on this machine its own localhost",
		Example: `  lodge up                      the project here: its lodge.toml, or its Procfile
  lodge run -- npm run dev      one command, without any file
  lodge explain :3000           what is there?`,
		Version:       a.env.Version,
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
			return &usageError{err: fmt.Errorf("unknown command %q", args[0]), hint: hint}
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("lodge {{.Version}}\n")
	root.CompletionOptions.DisableDescriptions = true
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{err: fmt.Errorf("read flags of %s: %w", c.CommandPath(), plainFlagError(err)), hint: c.CommandPath() + " --help"}
	})
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run:"}, &cobra.Group{ID: groupLook, Title: "Look:"}, &cobra.Group{ID: groupMachine, Title: "Set up this machine:"})
	root.AddCommand(a.commands()...)
	return root
}

// The groups in which help lists commands.
const (
	groupRun     = "run"
	groupLook    = "look"
	groupMachine = "machine"
)

// commands lists every command.
func (a *app) commands() []*cobra.Command {
	return slices.Concat(
		inGroup(groupRun, a.upCommand(), a.downCommand(), a.restartCommand(), a.runCommand(), a.execCommand(), a.waitCommand()),
		inGroup(groupLook, a.lsCommand(), a.logsCommand(), a.openCommand(), a.portsCommand(), a.explainCommand(), a.probeCommand(), a.topCommand(), a.eventsCommand()),
		inGroup(groupMachine, a.trustCommand(), a.setupCommand(), a.doctorCommand()),
		[]*cobra.Command{a.versionCommand(), a.daemonCommand(), a.keeperCommand()},
	)
}

func inGroup(id string, commands ...*cobra.Command) []*cobra.Command {
	for _, c := range commands {
		c.GroupID = id
	}
	return commands
}

// status prints the error, if there is one, and gives the exit status.
func (a *app) status(err error) int {
	if err == nil {
		return exitDone
	}
	var ex *exitError
	if errors.As(err, &ex) {
		return ex.code
	}
	if errors.Is(err, context.Canceled) {
		return 130
	}
	code, hint := exitNotDone, ""
	var h *hinted
	var nu *notUpError
	var u *usageError
	var k *keeperapi.Error
	var p *project.Error
	var halted *stall.Error
	switch {
	case errors.As(err, &u):
		code, hint = exitUsage, u.hint
	case errors.As(err, &h):
		hint = h.hint
	case errors.As(err, &halted):
		hint = halted.Hint()
	case errors.As(err, &nu):
		hint = nu.Hint()
	case errors.As(err, &p):
		code = exitUsage
	case errors.As(err, &k):
		hint = k.Hint
		if hint == "" && k.Service != "" {
			hint = "lodge logs " + k.Service
		}
		if k.Status != 0 {
			code = k.Status
		}
		for _, l := range k.LastLines {
			fmt.Fprintf(a.err, "%s | %s\n", k.Service, show.Colored(l))
		}
	}
	msg := strings.ReplaceAll(err.Error(), "\n", "; ")
	if hint != "" {
		msg += " (hint: " + hint + ")"
	}
	fmt.Fprintln(a.err, "lodge: "+msg)
	return code
}

// plainFlagError takes the name of Go's function out of what is wrong with a
// flag's value.
func plainFlagError(err error) error {
	var e *pflag.InvalidValueError
	var n *strconv.NumError
	if errors.As(err, &e) && errors.As(err, &n) {
		return fmt.Errorf("invalid argument %q for --%s: %w", e.GetValue(), e.GetFlag().Name, n.Err)
	}
	return err
}

// args makes cobra's checks of arguments wrong usage, and says in plain words
// which.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, got []string) error {
		if err := check(c, got); err != nil {
			why := "too many"
			switch {
			case len(got) == 0:
				why = "there are none"
			case check(c, nil) == nil && check(c, got[:1]) != nil:
				why = fmt.Sprintf("it takes none, and %q is one", got[0])
			}
			return &usageError{err: fmt.Errorf("read arguments of %s: %s", c.CommandPath(), why), hint: "usage: " + c.UseLine()}
		}
		return nil
	}
}

func (a *app) getenv(key string) string {
	for i := len(a.env.Environ) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(a.env.Environ[i], key+"="); ok {
			return v
		}
	}
	return ""
}
