package keeper

import (
	"context"
	"fmt"
	"io"

	"lodge/internal/ending"
	"lodge/internal/home/hostsview"
	"lodge/internal/home/seccomphome"
	"lodge/internal/service"
)

// Command is the first argument of a program that is to be a keeper.
const Command = "keeper"

// Asked reports whether a command line, with the program's name in front, asks for a
// keeper, or for a shim, which a keeper starts between fork and exec of a program
// inside.
func Asked(args []string) bool {
	return len(args) > 0 && isShim(args[0]) || len(args) > 1 && args[1] == Command
}

func isShim(name string) bool { return name == seccomphome.ShimName || name == hostsview.ShimName }

// Main carries out a command line that [Asked] is true of, and returns the exit status.
// An error is told to stderr, with the program's name.
func Main(program string, args, environ []string, stderr io.Writer) int {
	if isShim(args[0]) { // nothing else is set up then
		var err error
		if args[0] == hostsview.ShimName {
			err = hostsview.ShimMain(args, environ)
		} else {
			err = seccomphome.ShimMain(args)
		}
		if err != nil {
			fmt.Fprintln(stderr, "lodge:", err)
		}
		return service.ExecStatus(err)
	}
	ctx, stop := ending.Context(context.Background())
	defer stop()
	if err := Run(ctx); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return 1
	}
	return 0
}
