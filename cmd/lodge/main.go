// Command lodge gives every project on a machine its own localhost.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"lodge/internal/cli"
)

// version is set when a release is built (-ldflags "-X main.version=...").
var version = "dev"

func main() {
	dir, dirErr := os.Getwd()
	if dirErr != nil {
		dir = "/" // most commands have no use for it
	}
	exe, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lodge: find own program:", err)
		os.Exit(1)
	}
	os.Exit(cli.Run(context.Background(), cli.Env{
		Args: os.Args[1:], Environ: os.Environ(), Dir: dir, DirErr: dirErr,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Lodged: filepath.Join(filepath.Dir(exe), "lodged"), Helper: filepath.Join(filepath.Dir(exe), "lodge-helper"),
		Version: version, Exit: os.Exit,
	}))
}
