package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/operation"
	"lodge/internal/project"
	"lodge/internal/service"
)

// choices are the flags with which a home can be asked for.
type choices = operation.Choice

// notUpError says that the project here is not up.
type notUpError = operation.NotUpError

// place is which project the command is about.
func (a *app) place() operation.Place {
	return operation.Place{Dir: a.env.Dir, DirErr: a.env.DirErr, Home: a.home(), Project: a.project}
}

// operations returns the operations on projects, for this command.
func (a *app) operations() *operation.Runner {
	environ := a.env.Environ
	if environ == nil {
		environ = []string{}
	}
	return &operation.Runner{
		Place: a.place(), Environ: environ, TrustDir: a.dirs().Trust(), Version: a.env.Version,
		Connect: func(ctx context.Context) (operation.Daemon, error) {
			c, err := a.connect(ctx)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		Tell: a.tell, Halted: a.noteHalted,
	}
}

// tell prints the progress of an operation.
func (a *app) tell(p localapi.Progress) {
	switch p.Kind {
	case localapi.ProgressNotice:
		switch p.Notice.Code {
		case operation.NoticeVersion, operation.NoticeMoved:
			a.note(p.Notice.Text)
		default:
			fmt.Fprintln(a.err, "lodge: "+p.Notice.Text)
		}
	case localapi.ProgressFailed:
		if e := p.Error; e != nil {
			fmt.Fprintf(a.err, "lodge: %s (hint: %s)\n", e.Message, e.Hint)
			return
		}
		for _, s := range p.Services {
			fmt.Fprintf(a.err, "%s failed: %s\n", s.Name, s.Reason)
		}
	case localapi.ProgressWaiting:
		fmt.Fprintln(a.err, waitsFor(p.Services))
	case localapi.ProgressDown:
		fmt.Fprintf(a.err, "%s is down\n", p.Project.Shown())
	}
}

// waitsMost is how many services are named that are waited for.
const waitsMost = 8

// waitsFor puts into words what is waited for.
func waitsFor(all []service.Status) string {
	var texts []string
	for _, st := range all[:min(len(all), waitsMost)] {
		texts = append(texts, pending(st))
	}
	text := "waiting for " + strings.Join(texts, ", ")
	if more := len(all) - len(texts); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// pending puts into words with what a service is waited for.
func pending(st service.Status) string {
	switch {
	case st.State == service.Waiting && strings.HasPrefix(st.Reason, "for "):
		return fmt.Sprintf("%s (waits %s)", st.Name, st.Reason)
	case st.Reason != "":
		return fmt.Sprintf("%s (%s: %s)", st.Name, st.State, st.Reason)
	}
	return fmt.Sprintf("%s (%s)", st.Name, st.State)
}

// find returns the project of the working directory, or the one that was named,
// as the daemon knows it.
func (a *app) find(ctx context.Context, c *localapi.Client, all bool) (localapi.Project, error) {
	return a.findAmong(func() (localapi.Projects, error) { return c.Projects(ctx, all) })
}

// findAmong is find in a list.
func (a *app) findAmong(list func() (localapi.Projects, error)) (localapi.Project, error) {
	ps, err := list()
	if err != nil {
		return localapi.Project{}, err
	}
	p, err := a.place().Find(ps.Projects)
	if err == nil {
		a.noteKeeper(p)
	}
	return p, err
}

// current returns the session's project as it is now, alone in a list.
func current(ctx context.Context, c *localapi.Client, s *localapi.Session) ([]localapi.Project, error) {
	return operation.Current(ctx, c, s.Project.ID)
}

// printProjects prints projects as JSON, where they were read, after what was
// asked of them ended with err, which it returns.
func (a *app) printProjects(ps []localapi.Project, err error) error {
	if ps == nil {
		return err
	}
	if perr := a.printJSON(localapi.Projects{Projects: ps}); err == nil {
		return perr
	}
	return err
}

// projectFlag lets a command name a project instead of being in its directory,
// which may be renamed or gone.
func (a *app) projectFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.project, "project", "", "not the project here, but `NAME`: what lodge ls shows, its id, or its directory")
}

// serviceNames lists the services that a project's file has.
func serviceNames(p *project.Project) []string {
	out := make([]string, len(p.Services))
	for i, s := range p.Services {
		out[i] = s.Name
	}
	return out
}

// patient is a session's client whose calls wait also for a keeper that does not
// run. With noted that is told.
func (a *app) patient(s *localapi.Session, noted bool) keeperapi.Client {
	return a.operations().Patient(s, noted)
}
