// Command lodge-keeper holds one project: it is the parent of its services and what is
// left of its home while no daemon runs. The daemon starts it. It is a program of its
// own so that it stays small, one for each project that is up, and so that no command
// of lodge's has to start what only a keeper needs.
package main

import (
	"context"
	"fmt"
	"os"

	"lodge/internal/ending"
	"lodge/internal/home/hostsview"
	"lodge/internal/home/seccomphome"
	"lodge/internal/keeper"
	"lodge/internal/service"
)

// version is set when a release is built (-ldflags "-X main.version=...").
var version = "dev"

func main() { os.Exit(run(os.Args)) }

func run(args []string) int {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case seccomphome.ShimName:
		// Between fork and exec of a program inside: nothing else is set up.
		err := seccomphome.ShimMain(args)
		if err != nil {
			fmt.Fprintln(os.Stderr, "lodge:", err)
		}
		return service.ExecStatus(err)
	case hostsview.ShimName:
		err := hostsview.ShimMain(args, os.Environ())
		fmt.Fprintln(os.Stderr, "lodge:", err)
		return service.ExecStatus(err)
	}
	switch {
	case len(args) == 2 && (args[1] == "version" || args[1] == "--version"):
		fmt.Println("lodge-keeper", version)
		return 0
	case len(args) < 2 || args[1] != "keeper":
		fmt.Fprintln(os.Stderr, "lodge-keeper: it is started by lodge's daemon only (hint: lodge up)")
		return 2
	}
	ctx, stop := ending.Context(context.Background())
	defer stop()
	if err := keeper.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lodge-keeper:", err)
		return 1
	}
	return 0
}
