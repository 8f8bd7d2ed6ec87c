// Command lodged is lodge's daemon: it knows a user's projects, starts their
// keepers, and serves their names. Commands of lodge start it when they need it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"lodge/internal/daemon"
	"lodge/internal/ending"
)

// version is set when a release is built (-ldflags "-X main.version=...").
var version = "dev"

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) == 2 && (os.Args[1] == "version" || os.Args[1] == "--version") {
		fmt.Println("lodged", version)
		return 0
	}
	exe, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lodged: find own program:", err)
		return 1
	}
	ctx, stop := ending.Context(context.Background())
	defer stop()
	err = daemon.Main(ctx, daemon.Program{
		Args: os.Args[1:], Version: version, Stderr: os.Stderr, Processors: os.Getenv("GOMAXPROCS"), Path: os.Getenv("PATH"),
		Keeper: filepath.Join(filepath.Dir(exe), "lodge-keeper"), Helper: filepath.Join(filepath.Dir(exe), "lodge-helper"),
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
