// Command share writes what an installation of lodge has below share/: a manual
// page of each command, lodge.toml(5), and completions for bash, zsh and fish. All
// of it is made from the tree of commands and from docs/reference/lodge.toml.md. It is run by
// `make install` and `make package` on the machine that builds, whatever the target
// is, and no program of lodge links it.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"lodge/internal/cli"
)

func main() {
	if err := write(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tools/share:", err)
		os.Exit(1)
	}
}

func write(args []string) error {
	f := flag.NewFlagSet("tools/share", flag.ContinueOnError)
	out := f.String("o", "", "the directory to write to")
	version := f.String("version", "dev", "the version that manual pages name")
	format := f.String("toml", "docs/reference/lodge.toml.md", "the document that lodge.toml(5) is made of")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *out == "" || f.NArg() > 0 {
		return errors.New("read arguments: it takes -o DIRECTORY")
	}
	text, err := os.ReadFile(*format)
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	files, err := build(*version, string(text))
	if err != nil {
		return err
	}
	for name, data := range files {
		path := filepath.Join(*out, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("write file: %w", err)
		}
	}
	return nil
}

// build returns the files by their path below share/.
func build(version, format string) (map[string][]byte, error) {
	files := map[string][]byte{
		"man/man5/lodge.toml.5": formatPage(version, format),
	}
	for _, c := range pages(cli.Commands(version, io.Discard)) {
		files["man/man1/"+pageName(c)+".1"] = commandPage(c, version)
	}
	for shell, name := range map[string]string{
		"bash": "bash-completion/completions/lodge",
		"zsh":  "zsh/site-functions/_lodge",
		"fish": "fish/vendor_completions.d/lodge.fish",
	} {
		var out bytes.Buffer
		root := cli.Commands(version, &out)
		root.SetArgs([]string{"completion", shell})
		if err := root.Execute(); err != nil {
			return nil, fmt.Errorf("make completion for %s: %w", shell, err)
		}
		files[name] = out.Bytes()
	}
	return files, nil
}

// pages lists the commands that have a page: the root, each that help shows, and those
// below it, but for the shells of completion.
func pages(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			all = append(all, c)
		}
		for _, below := range c.Commands() {
			if below.IsAvailableCommand() && c.Name() != "completion" {
				all = append(all, below)
			}
		}
	}
	return all
}
