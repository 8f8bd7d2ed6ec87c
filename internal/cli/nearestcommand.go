package cli

import (
	"github.com/spf13/cobra"

	"lodge/internal/project"
)

// nearestCommand returns the command that was probably meant, or "".
func nearestCommand(root *cobra.Command, word string) string {
	var all []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, c.Name())
		}
	}
	if s := project.Nearest(word, all); s != "" {
		return s
	}
	if s := root.SuggestionsFor(word); len(s) > 0 { // what begins with it
		return s[0]
	}
	return ""
}
