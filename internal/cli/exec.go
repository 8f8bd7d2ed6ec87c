package cli

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/project"
	"lodge/internal/service"
)

func (a *app) execCommand() *cobra.Command {
	var ch choices
	var x insideCommand
	c := &cobra.Command{
		Use:   "exec [flags] [--] CMD [ARG...]",
		Short: "Run a command inside, such as psql, curl or npm test",
		Long: "Run a command in the localhost of the project that the working directory belongs to. It has the project's\n" +
			"environment (env, env_file and .env), and NAME_HOST, NAME_PORT and NAME_URL of every service that listens.\n" +
			"It needs no lodge.toml and nothing that is up. Its exit status is lodge's; 127 says that it was not found,\n" +
			"126 that it cannot be executed.",
		Example: `  lodge exec -- psql -h localhost
  lodge exec -- curl -s localhost:8000
  lodge exec --as api -- npm run migrate    with the environment and in the directory of api
  lodge exec -- bash`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, argv []string) error {
			as, err := a.qualified([]string{x.as})
			if err != nil {
				return err
			}
			x.argv, x.as = argv, as[0]
			return a.runInside(c.Context(), x, ch)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVar(&x.as, "as", "", "with the environment and in the directory of `SERVICE`")
	a.projectFlag(c)
	a.completesProjects(c)
	_ = c.RegisterFlagCompletionFunc("as", func(c *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return a.serviceWords(c, nil, begun), cobra.ShellCompDirectiveNoFileComp
	})
	x.flags(c)
	ch.flags(c)
	return c
}

// insideCommand is a command to run inside.
type insideCommand struct {
	argv   []string
	name   string // in lists; "": the program's
	listed bool
	as     string // the service that it is run as, or ""
	names  bool   // it must find the projects' names
}

func (x *insideCommand) flags(c *cobra.Command) {
	c.Flags().BoolVar(&x.names, "names", false, "the projects' names resolve in every program, by a hosts file of the command's own; for an ordinary user this\n"+
		"takes a user namespace, in which it sees less of the processes outside (default: where an argument has such a name)")
}

// seesNames reports whether the command is shown a hosts file of its own. For
// an ordinary user that has a price: a user namespace, from which it cannot look
// into the processes outside. lodge itself asks its daemon for names.
func (x *insideCommand) seesNames(n localapi.HostNames) bool {
	if n.Resolved {
		return false
	}
	if x.names || realRoot() {
		return true
	}
	if filepath.Base(x.argv[0]) == "lodge" {
		return false
	}
	for name := range strings.FieldsSeq(n.Lines) {
		if _, err := netip.ParseAddr(name); err == nil || !strings.Contains(name, ".") {
			continue
		}
		if slices.ContainsFunc(x.argv, func(arg string) bool { return strings.Contains(arg, name) }) {
			return true
		}
	}
	return false
}

func (a *app) runInside(ctx context.Context, in insideCommand, ch choices) error {
	p, loadErr := a.load()
	if loadErr == nil && a.project == "" {
		loadErr = p.ResolveFor(a.env.Environ, in.as)
	}
	if a.project != "" || loadErr != nil {
		// The project that is up can be entered, whatever its file says by now.
		p = nil
	}
	if in.name != "" && !project.ValidName(in.name) {
		return &usageError{err: fmt.Errorf("name the command %q: not a name", in.name), hint: "lower-case letters, digits and hyphens"}
	}
	if in.name == "" {
		in.name = project.MakeName(filepath.Base(in.argv[0]))
	}
	x := keeperapi.Exec{Argv: in.argv, Dir: a.env.Dir, Name: in.name, Command: strings.Join(in.argv, " "), Listed: in.listed, As: in.as}
	code := 0
	with := func(do func(*localapi.Client, *localapi.Session) error) error { return a.withSession(ctx, p, ch, do) }
	if p == nil {
		with = func(do func(*localapi.Client, *localapi.Session) error) error {
			return a.withRunning(ctx, ch, loadErr, do)
		}
	}
	err := with(func(c *localapi.Client, s *localapi.Session) error {
		if err := a.execEnviron(ctx, &x, p, s); err != nil {
			return err
		}
		n, err := c.HostNames(ctx)
		if err != nil {
			return err
		}
		if in.seesNames(n) {
			x.Hosts = n.Lines
		}
		a.noteNamespaces(s)
		code, err = a.attach(ctx, s, x)
		return err
	})
	if err == nil && code != 0 {
		err = &exitError{code: code}
	}
	return err
}

// execEnviron sets what the project's file says of a command's environment. p is
// the project, or nil where its file is not the one here or cannot be read.
func (a *app) execEnviron(ctx context.Context, x *keeperapi.Exec, p *project.Project, s *localapi.Session) error {
	if p == nil {
		var err error
		if p, err = a.loadOf(s.Project); err == nil {
			err = p.ResolveFor(a.env.Environ, x.As)
		}
		if err != nil {
			fmt.Fprintf(a.err, "lodge: the command does without the project's environment: %v\n", err)
			p = nil
		}
	}
	if x.As == "" {
		if p != nil {
			x.Env = execVariables(p)
		}
		return nil
	}
	known := []string{}
	if p != nil {
		known = serviceNames(p)
		for _, sp := range specs(p, s.Project) {
			if sp.Name == x.As {
				x.Spec = &sp
			}
		}
	}
	if x.Spec != nil {
		return nil
	}
	st, err := s.Status(ctx)
	if err != nil {
		return err
	}
	for _, q := range st.Services {
		if q.Name == x.As && q.Kind == service.KindService {
			return nil
		}
		if q.Kind == service.KindService && !slices.Contains(known, q.Name) {
			known = append(known, q.Name)
		}
	}
	hint := "there are none"
	if len(known) > 0 {
		hint = "there are: " + strings.Join(known, ", ")
	}
	return &usageError{err: fmt.Errorf("run as service %s: no such service", x.As), hint: hint}
}
