// Package session reaches the daemon for a command, which starts by that if it has to,
// and knows the project that the command is about. What a project is asked to do is
// package operation's; here it gets its daemon, and its progress is printed.
package session

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/operation"
	"lodge/internal/project"
)

// Selection is the project that a command is about: the one of the working directory,
// or the one that --project or PROJECT/SERVICE names. Each command has its own. It
// embeds the kit: a function of a command takes one of the two.
type Selection struct {
	*kit.Kit
	project string // what --project, or PROJECT/SERVICE, says, or ""
}

// Select returns the selection of a command, before flags and arguments are read.
func Select(k *kit.Kit) *Selection { return &Selection{Kit: k} }

// Place returns where the project is to be found.
func (sel *Selection) Place() operation.Place {
	return operation.Place{Dir: sel.Env.Dir, DirErr: sel.Env.DirErr, Home: sel.UserHome(), Project: sel.project}
}

// Operations returns the operations on projects, for this command.
func (sel *Selection) Operations() *operation.Runner {
	environ := sel.Env.Environ
	if environ == nil {
		environ = []string{}
	}
	return &operation.Runner{
		Place: sel.Place(), Environ: environ, Version: sel.Env.Version,
		Connect: func(ctx context.Context) (operation.Daemon, error) {
			c, err := Connect(ctx, sel.Kit)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		Tell: func(p localapi.Progress) { tell(sel.Kit, p) }, Halted: sel.NoteHalted,
	}
}

// Find returns the project as the daemon knows it. all includes projects that are not
// up.
func (sel *Selection) Find(ctx context.Context, c *localapi.Client, all bool) (localapi.Project, error) {
	return sel.FindAmong(func() (localapi.Projects, error) { return c.Projects(ctx, all) })
}

// FindAmong is Find in a list, which list returns.
func (sel *Selection) FindAmong(list func() (localapi.Projects, error)) (localapi.Project, error) {
	ps, err := list()
	if err != nil {
		return localapi.Project{}, err
	}
	p, err := sel.Place().Find(ps.Projects)
	if err == nil {
		noteKeeper(sel.Kit, p)
	}
	return p, err
}

// Flag adds --project, which names a project instead of its directory, which may be
// renamed or gone.
func (sel *Selection) Flag(c *cobra.Command) {
	c.Flags().StringVar(&sel.project, "project", "", "not the project here, but `NAME`: what lodge ls shows, its id, or its directory")
}

// FileServices lists the services that a project's file has.
func FileServices(p *project.Project) []string {
	out := make([]string, len(p.Services))
	for i, s := range p.Services {
		out[i] = s.Name
	}
	return out
}

// Patient returns a client of a project's keeper whose calls wait also for a keeper that
// does not run. With noted that is printed.
func (sel *Selection) Patient(s *localapi.Session, noted bool) keeperapi.Client {
	return sel.Operations().Patient(s, noted)
}

// Qualify takes PROJECT/SERVICE, as ls, ports and explain write a service, for
// SERVICE with --project PROJECT. It returns the names of the services. Services of two
// projects are wrong usage.
func (sel *Selection) Qualify(names []string) ([]string, error) {
	out := make([]string, 0, len(names))
	of := sel.project
	for _, name := range names {
		i := strings.LastIndexByte(name, '/')
		if i <= 0 || i == len(name)-1 {
			out = append(out, name)
			continue
		}
		if of != "" && of != name[:i] {
			return nil, &kit.UsageError{Err: fmt.Errorf("find service %s: it is of project %s, and this is about %s", name, name[:i], of), Hint: "one project at a time"}
		}
		of = name[:i]
		out = append(out, name[i+1:])
	}
	for _, name := range names {
		if of != sel.project && !strings.HasPrefix(name, of+"/") {
			return nil, &kit.UsageError{Err: fmt.Errorf("find service %s: the others are of project %s", name, of), Hint: "write " + of + "/" + name + ", or ask for it by itself"}
		}
	}
	sel.project = of
	return out, nil
}

// WithServices returns the RunE of a command whose arguments are services, each SERVICE
// or PROJECT/SERVICE. run gets the names of the services.
func (sel *Selection) WithServices(run func(c *cobra.Command, names []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		names, err := sel.Qualify(args)
		if err != nil {
			return err
		}
		return run(c, names)
	}
}
