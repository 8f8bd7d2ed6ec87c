package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
)

// strictCompletion makes an unknown shell wrong usage: cobra's own command
// prints its help for one, and succeeds.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		var shells []string
		for _, sh := range c.Commands() {
			shells = append(shells, sh.Name())
			sh.Args = kit.Args(cobra.NoArgs)
		}
		c.Args = nil
		c.Example = "  source <(lodge completion bash)\n  lodge completion fish >~/.config/fish/completions/lodge.fish"
		c.RunE = func(c *cobra.Command, got []string) error {
			if len(got) == 0 {
				return c.Help()
			}
			return &kit.UsageError{Err: fmt.Errorf("complete for shell %q: there is no completion for it", got[0]), Hint: "there is for " + strings.Join(shells, ", ")}
		}
	}
}
