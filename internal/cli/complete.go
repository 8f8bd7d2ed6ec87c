package cli

import (
	"slices"
	"strings"

	"lodge/internal/operation"

	"github.com/spf13/cobra"
)

// completesServices has the shell complete names of services in the arguments of
// a command, and names of projects behind --project.
func (a *app) completesServices(c *cobra.Command, most int) {
	c.ValidArgsFunction = func(c *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(given) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.serviceWords(c, given, begun), cobra.ShellCompDirectiveNoFileComp
	}
	if c.Flags().Lookup("project") != nil {
		a.completesProjects(c)
	}
}

func (a *app) completesProjects(c *cobra.Command) {
	_ = c.RegisterFlagCompletionFunc("project", func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		l := a.look(c.Context())
		defer l.Close()
		var out []string
		for _, p := range l.own.projects {
			out = append(out, p.Shown())
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	})
}

// serviceWords returns the services of the project here, as its file and what is
// up have them, less those that are given; with a slash, or where no project is
// here, those of all that are up, as PROJECT/SERVICE.
func (a *app) serviceWords(c *cobra.Command, given []string, begun string) []string {
	l := a.look(c.Context())
	defer l.Close()
	var out []string
	here, _ := operation.Above(l.own.projects, a.env.Dir)
	if a.project == "" {
		if p, err := a.place().Load(); err == nil {
			out = serviceNames(p)
		}
	}
	var all []string
	for _, p := range l.own.projects {
		meant := a.project == p.ID || isCalled(p, a.project)
		if a.project == "" {
			meant = p.ID == here.ID
		}
		for _, s := range p.Services {
			if meant {
				out = append(out, s.Name)
			}
			all = append(all, p.Shown()+"/"+s.Name)
		}
	}
	if strings.Contains(begun, "/") || len(out) == 0 && a.project == "" {
		out = append(out, all...)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(s string) bool {
		return slices.Contains(given, s) || !strings.HasPrefix(s, begun)
	})
}
