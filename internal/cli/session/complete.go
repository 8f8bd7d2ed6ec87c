package session

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lodge/internal/cli/daemonview"
	"lodge/internal/selection"
)

// CompleteServices has the shell complete names of services in the arguments of
// a command, and names of projects behind --project.
func (sel *Selection) CompleteServices(c *cobra.Command, most int) {
	c.ValidArgsFunction = func(c *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(given) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return sel.ServiceWords(c, given, begun), cobra.ShellCompDirectiveNoFileComp
	}
	if c.Flags().Lookup("project") != nil {
		sel.CompleteProjects(c)
	}
}

// CompleteProjects has the shell complete names of projects behind --project.
func (sel *Selection) CompleteProjects(c *cobra.Command) {
	_ = c.RegisterFlagCompletionFunc("project", func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		l := daemonview.Open(c.Context(), sel.Kit)
		defer l.Close()
		var out []string
		for _, p := range l.Own() {
			out = append(out, p.Shown())
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	})
}

// ServiceWords returns the services of the project here, as its file and what is
// up have them, less those that are given; with a slash, or where no project is
// here, those of all that are up, as PROJECT/SERVICE.
func (sel *Selection) ServiceWords(c *cobra.Command, given []string, begun string) []string {
	l := daemonview.Open(c.Context(), sel.Kit)
	defer l.Close()
	var out []string
	here, _ := selection.Above(l.Own(), sel.Env.Dir)
	if sel.project == "" {
		if p, err := sel.Place().Load(); err == nil {
			out = FileServices(p)
		}
	}
	var all []string
	for _, p := range l.Own() {
		meant := sel.project == p.ID || selection.Called(p, sel.project)
		if sel.project == "" {
			meant = p.ID == here.ID
		}
		for _, s := range p.Services {
			if meant {
				out = append(out, s.Name)
			}
			all = append(all, p.Shown()+"/"+s.Name)
		}
	}
	if strings.Contains(begun, "/") || len(out) == 0 && sel.project == "" {
		out = append(out, all...)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(s string) bool {
		return slices.Contains(given, s) || !strings.HasPrefix(s, begun)
	})
}
