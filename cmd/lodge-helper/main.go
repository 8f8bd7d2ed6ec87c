// Command lodge-helper is the part of lodge that runs as root: it makes the
// homes of the engine ebpf, keeps names in the hosts file, and knows who has
// which socket. `lodge setup` installs it for all users; a daemon that runs as
// root starts one of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"lodge/internal/ending"
	"lodge/internal/helper"
)

// version is set when a release is built (-ldflags "-X main.version=...").
var version = "dev"

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) == 2 && (os.Args[1] == "version" || os.Args[1] == "--version") {
		fmt.Println("lodge-helper", version)
		return 0
	}
	ctx, stop := ending.Context(context.Background())
	defer stop()
	err := helper.Main(ctx, os.Args[1:], os.Stderr)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "lodge-helper:", err)
	if errors.Is(err, helper.ErrUsage) {
		return 2
	}
	return 1
}
