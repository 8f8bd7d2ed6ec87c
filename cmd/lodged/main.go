// Command lodged is lodge's daemon: it knows a user's projects, starts their
// keepers, and serves their names. Commands of lodge start it when they need it. It also
// carries out the commands that need TLS, in the place of lodge, which executes it, and is
// the keeper of projects where lodge-keeper is not beside it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/offload"
	"lodge/internal/cli/session"
	"lodge/internal/daemon"
	"lodge/internal/ending"
	"lodge/internal/keeper"
)

// version is set when a release is built (-ldflags "-X main.version=...").
var version = "dev"

func main() { os.Exit(run()) }

func run() int {
	if keeper.Asked(os.Args) {
		return keeper.Main("lodged", os.Args, os.Environ(), os.Stderr)
	}
	if len(os.Args) == 2 && (os.Args[1] == "version" || os.Args[1] == "--version") {
		fmt.Println("lodged", version)
		return 0
	}
	exe, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lodged: find own program:", err)
		return 1
	}
	lodged, helper := filepath.Join(filepath.Dir(exe), "lodged"), filepath.Join(filepath.Dir(exe), "lodge-helper")
	if len(os.Args) > 1 && os.Args[1] == session.OffloadCommand {
		dir, dirErr := os.Getwd()
		if dirErr != nil {
			dir = "/" // most commands have no use for it
		}
		return offload.Run(context.Background(), kit.Env{
			Args: os.Args[2:], Environ: os.Environ(), Dir: dir, DirErr: dirErr,
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
			Lodged: lodged, Helper: helper, Version: version,
		})
	}
	keepers := filepath.Join(filepath.Dir(exe), "lodge-keeper")
	if _, err := os.Stat(keepers); errors.Is(err, fs.ErrNotExist) {
		keepers = lodged // which does the same, and is larger
	}
	ctx, stop := ending.Context(context.Background())
	defer stop()
	err = daemon.Main(ctx, daemon.Program{
		Args: os.Args[1:], Version: version, Stderr: os.Stderr, Processors: os.Getenv("GOMAXPROCS"), Path: os.Getenv("PATH"),
		Keeper: keepers, Helper: helper,
	})
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "lodged:", err)
	if usage := (*daemon.UsageError)(nil); errors.As(err, &usage) {
		return 2
	}
	return 1
}
