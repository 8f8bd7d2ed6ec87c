// Package cli is lodge's command line: the tree of commands, which the packages below
// it make, and how it is run. It is a library that tests call. It and package project
// alone read the environment, and only here is text made for people.
//
// What lodge prints, the rules: results go to standard output, everything else
// to standard error. An error is one line, "lodge: verb object: cause", that
// ends with a hint if there is one. Colour and spinners go to terminals
// only, and not if NO_COLOR is set.
package cli

import (
	"context"

	"lodge/internal/cli/kit"
)

// Env is what a command line runs in.
type Env = kit.Env

// Run runs the command line and returns the exit status.
func Run(ctx context.Context, env Env) int {
	out := &kit.Results{W: env.Stdout}
	k := kit.New(env, out)
	root, brief := treeFor(k, env.Args)
	root.SetArgs(append([]string{}, env.Args...)) // with nil, cobra reads os.Args
	execute := func(ctx context.Context) error {
		err := root.ExecuteContext(ctx)
		if err == nil {
			err = out.Failed()
		}
		return err
	}
	if brief && env.Exit != nil {
		return k.RunBrief(ctx, execute)
	}
	return k.Run(ctx, execute)
}
