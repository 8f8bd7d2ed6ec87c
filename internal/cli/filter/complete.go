package filter

import (
	"strings"

	"github.com/spf13/cobra"

	"lodge/internal/query"
)

// Complete has the shell complete the keys of a filter of sockets, and
// the words that a key of few takes.
func Complete(c *cobra.Command) {
	c.ValidArgsFunction = func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return Words(&Sockets(false).Schema, begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// Words returns what may stand in the place of what is begun.
func Words(s *query.Schema, begun string) []string {
	key, value, has := strings.Cut(begun, "=")
	var out []string
	if !has {
		for _, k := range s.Keys() {
			if strings.HasPrefix(k, begun) {
				out = append(out, k+"=")
			}
		}
		return out
	}
	f := s.Field(strings.TrimSuffix(key, "!"))
	if f == nil {
		return nil
	}
	list, last := "", value
	if i := strings.LastIndexByte(value, ','); i >= 0 {
		list, last = value[:i+1], value[i+1:]
	}
	for _, w := range f.Words {
		if strings.HasPrefix(w, last) {
			out = append(out, key+"="+list+w)
		}
	}
	return out
}
