// Command lodge-keeper holds one project: it is the parent of its services and what is
// left of its home while no daemon runs. The daemon starts it. It is a program of its
// own so that it stays small, one for each project that is up, and so that no command
// of lodge's has to start what only a keeper needs.
package main

import (
	"fmt"
	"os"

	"lodge/internal/keeper"
)

// version is set when a release is built (-ldflags "-X main.version=...").
var version = "dev"

func main() { os.Exit(run(os.Args)) }

func run(args []string) int {
	switch {
	case keeper.Asked(args):
		return keeper.Main("lodge-keeper", args, os.Environ(), os.Stderr)
	case len(args) == 2 && (args[1] == "version" || args[1] == "--version"):
		fmt.Println("lodge-keeper", version)
		return 0
	}
	fmt.Fprintln(os.Stderr, "lodge-keeper: it is started by lodge's daemon only (hint: lodge up)")
	return 2
}
