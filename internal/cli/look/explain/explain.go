// Package explain is `lodge explain`: it hands an address, a name or a message to package
// lodge/internal/explain, with what a daemon knows, and prints the answer.
package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/kit"
	"lodge/internal/explain"
	"lodge/internal/explain/input"
	"lodge/internal/names"
	"lodge/internal/target"
)

// flags are the flags of explain.
type flags struct {
	json, kill, yes, connect, bind bool
}

// Command returns the command lodge explain.
func Command(k *kit.Kit) *cobra.Command {
	var fl flags
	c := &cobra.Command{
		Use:   "explain WHAT...",
		Short: "What is, or blocks, an address, a port, a name or an error message",
		Long: `Says what is behind an address, a port, a name or an error message, who can
reach it, and why a connection or a bind to it fails. It only looks: it makes no
connection, and ends a process only where --kill asks it to.`,
		Example: `  lodge explain 127.0.0.1:49342
  lodge explain :3000
  lodge explain web.shop.localhost
  lodge explain localhost:5432
  lodge explain 53/udp
  lodge explain 'listen tcp :8080: bind: address already in use'
  npm start 2>&1 | tail -20 | lodge explain -
  lodge explain --kill :3000`,
		Args: kit.Args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, what []string) error {
			return run(c.Context(), k, strings.Join(what, " "), fl)
		},
	}
	c.Flags().BoolVar(&fl.json, "json", false, "as JSON")
	c.Flags().BoolVar(&fl.connect, "connect", false, "why a connection to it fails")
	c.Flags().BoolVar(&fl.bind, "bind", false, "why listening on it fails")
	c.Flags().BoolVar(&fl.kill, "kill", false, "end the process that holds it (asks first)")
	c.Flags().BoolVarP(&fl.yes, "yes", "y", false, "with --kill: do not ask")
	c.MarkFlagsMutuallyExclusive("connect", "bind")
	return c
}

const exampleLine = "lodge explain 127.0.0.1:3000"

func run(ctx context.Context, k *kit.Kit, what string, fl flags) error {
	if fl.yes && !fl.kill {
		return &kit.UsageError{Err: errors.New("--yes goes with --kill"), Hint: "lodge explain --kill --yes :3000"}
	}
	if fl.kill && fl.json {
		return &kit.UsageError{Err: errors.New("--kill prints no JSON"), Hint: "lodge explain --kill --yes :3000"}
	}
	if what == "-" {
		b, err := readEnd(k.Env.Stdin, messageEnd)
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		what = string(b)
	}
	look := daemonview.Open(ctx, k)
	defer look.Close()
	if word := strings.TrimSpace(what); !strings.ContainsAny(word, " \t\n") && !daemonview.IsNumber(word) {
		_, iana := target.ServicePort(word)
		n, err := look.ServiceNamed(word, k.Env.Dir, iana)
		if err != nil {
			return err
		}
		if n != nil {
			what = n.HostName()
		} else if label := look.ProjectNamed(word); label != "" && !iana {
			what = label + "." + names.HTTPDomain
		}
	}
	in, err := input.Parse(what)
	if errors.Is(err, input.ErrNoAddress) {
		return withoutAddress(what, err)
	}
	if err != nil {
		return &kit.UsageError{Err: fmt.Errorf("explain: %w", err), Hint: "such as: " + exampleLine}
	}
	switch {
	case fl.connect:
		in.Operation = input.Connect
	case fl.bind:
		in.Operation = input.Bind
	}
	if fl.bind && !in.HasPort && in.Unix == "" {
		return &kit.UsageError{Err: errors.New("--bind needs a port"), Hint: "such as: " + exampleLine}
	}
	answer, err := explain.Explain(ctx, in, newSource(ctx, k, look))
	if err != nil {
		return fmt.Errorf("explain %s: %w", firstLine(what), err)
	}
	report := answer.Report
	trustHint(report, what)
	if fl.json {
		return k.PrintJSON(report)
	}
	printReport(k.Out, report, kit.TerminalWidth(k.Env.Stdout), k.WantsColor(k.Env.Stdout), fl.kill)
	if fl.kill {
		return endHolders(ctx, k, answer.Facts, fl.yes)
	}
	return nil
}
