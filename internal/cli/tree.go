package cli

import (
	"io"

	"github.com/spf13/cobra"
)

// Commands returns the tree of commands, for what is made of their help: manual
// pages and completions. It reads neither the disk nor the environment; what may be
// executed of it are `help` and `completion`, which write to out.
func Commands(version string, out io.Writer) *cobra.Command {
	results := &results{w: out}
	a := &app{env: Env{Version: version}, out: results, err: io.Discard}
	root := a.root()
	root.SetOut(results)
	strictCompletion(root) // cobra notes where its scripts go
	return root
}
