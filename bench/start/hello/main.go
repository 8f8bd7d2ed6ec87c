// Command hello is the small Go program that lodge's start is measured beside: a
// command line of cobra with one command, which prints one line.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{Use: "hello"}
	root.AddCommand(&cobra.Command{
		Use: "version",
		Run: func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), "hello 1") },
	})
	if err := root.Execute(); err != nil {
		os.Exit(1)
	}
}
