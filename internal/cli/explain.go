package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/explain"
	explainfacts "lodge/internal/explain/facts"
	"lodge/internal/explain/gather"
	"lodge/internal/explain/input"
	"lodge/internal/explain/render"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/pidfd"
	"lodge/internal/service"
	"lodge/internal/show"
	"lodge/internal/show/table"
	"lodge/internal/target"
)

// explainFlags are the flags of explain.
type explainFlags struct {
	json, kill, yes, connect, bind bool
}

func (a *app) explainCommand() *cobra.Command {
	var fl explainFlags
	c := &cobra.Command{
		Use:   "explain WHAT...",
		Short: "What is, or blocks, an address, a port, a name or an error message",
		Long: `Says what is behind an address, a port, a name or an error message, who can
reach it, and why a connection or a bind to it fails. It only looks: it makes no
connection, and ends a process only where --kill asks it to.`,
		Example: `  lodge explain 127.0.0.1:49342
  lodge explain :3000
  lodge explain web.shop.localhost
  lodge explain localhost:5432
  lodge explain 53/udp
  lodge explain 'listen tcp :8080: bind: address already in use'
  npm start 2>&1 | tail -20 | lodge explain -
  lodge explain --kill :3000`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, what []string) error {
			return a.explain(c.Context(), strings.Join(what, " "), fl)
		},
	}
	c.Flags().BoolVar(&fl.json, "json", false, "as JSON")
	c.Flags().BoolVar(&fl.connect, "connect", false, "why a connection to it fails")
	c.Flags().BoolVar(&fl.bind, "bind", false, "why listening on it fails")
	c.Flags().BoolVar(&fl.kill, "kill", false, "end the process that holds it (asks first)")
	c.Flags().BoolVarP(&fl.yes, "yes", "y", false, "with --kill: do not ask")
	c.MarkFlagsMutuallyExclusive("connect", "bind")
	return c
}

const explainExample = "lodge explain 127.0.0.1:3000"

func (a *app) explain(ctx context.Context, what string, fl explainFlags) error {
	if fl.yes && !fl.kill {
		return &usageError{err: errors.New("--yes goes with --kill"), hint: "lodge explain --kill --yes :3000"}
	}
	if fl.kill && fl.json {
		return &usageError{err: errors.New("--kill prints no JSON"), hint: "lodge explain --kill --yes :3000"}
	}
	if what == "-" {
		b, err := readEnd(a.env.Stdin, messageEnd)
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		what = string(b)
	}
	look := a.look(ctx)
	defer look.Close()
	if word := strings.TrimSpace(what); !strings.ContainsAny(word, " \t\n") && !isDigits(word) {
		_, iana := target.ServicePort(word)
		n, err := look.serviceNamed(word, a.env.Dir, iana)
		if err != nil {
			return err
		}
		if n != nil {
			what = n.hostName()
		} else if label := look.projectNamed(word); label != "" && !iana {
			what = label + "." + names.HTTPDomain
		}
	}
	in, err := input.Parse(what)
	if errors.Is(err, input.ErrNoAddress) {
		return withoutAddress(what, err)
	}
	if err != nil {
		return &usageError{err: fmt.Errorf("explain: %w", err), hint: "such as: " + explainExample}
	}
	switch {
	case fl.connect:
		in.Operation = input.Connect
	case fl.bind:
		in.Operation = input.Bind
	}
	if fl.bind && !in.HasPort && in.Unix == "" {
		return &usageError{err: errors.New("--bind needs a port"), hint: "such as: " + explainExample}
	}
	answer, err := explain.Explain(ctx, in, a.explainSource(ctx, look))
	if err != nil {
		return fmt.Errorf("explain %s: %w", firstLine(what), err)
	}
	report := answer.Report
	trustHint(report, what)
	if fl.json {
		return a.printJSON(report)
	}
	a.printReport(report, fl.kill)
	if fl.kill {
		return a.endHolders(ctx, answer.Facts, fl.yes)
	}
	return nil
}

// explainSource returns what a running daemon knows.
func (a *app) explainSource(ctx context.Context, l *look) gather.Source {
	src := gather.Source{Homes: l.Homes, Live: l.Live, Name: func(host string) *explainfacts.Name { return l.explainName(ctx, host) }}
	src.Inside, _ = netip.ParseAddr(a.getenv("LODGE_HOME"))
	src.Tail = l.tail
	src.Warnings = func() []string { return l.Warnings }
	for _, p := range l.Projects {
		src.Projects = append(src.Projects, explainProject(p))
	}
	return src
}

func explainProject(p localapi.Project) explainfacts.Project {
	q := explainfacts.Project{Name: p.Shown(), Path: p.Path, Engine: p.Engine, Isolation: p.Isolation, KeeperPID: p.KeeperPID}
	q.Home4, _ = netip.ParseAddr(p.Home)
	q.Home6, _ = netip.ParseAddr(p.Home6)
	for _, s := range p.Services {
		q.Services = append(q.Services, explainService(s))
	}
	return q
}

func explainService(s service.Status) explainfacts.Service {
	x := explainfacts.Service{
		Name: s.Name, State: string(s.State), Exit: s.Exit, Reason: s.Reason, Failing: s.Failing != "",
		Endpoints: reachable(s.Endpoints), Ports: append([]uint16(nil), s.LastPorts...), URL: s.URL, PID: s.PID,
	}
	switch s.State {
	case service.Backoff, service.Failed, service.Exited, service.Stopped:
		x.Ended = true
	}
	for _, port := range []uint16{s.Port, s.HTTP} {
		if port != 0 {
			x.Ports = append(x.Ports, port)
		}
	}
	for _, e := range s.Endpoints {
		if e.Protocol == loopback.TCP {
			x.Ports = append(x.Ports, e.Port)
		}
	}
	return x
}

// printReport writes the answer, the evidence, and what to do.
func (a *app) printReport(r *render.Report, kill bool) {
	width, color := terminalWidth(a.env.Stdout), a.wantsColor(a.env.Stdout)
	fmt.Fprintln(a.out, table.Words(r.Answer, width, ""))
	label := 0
	for _, l := range r.Lines {
		label = max(label, len(l.Label))
	}
	if label > 0 {
		fmt.Fprintln(a.out)
	}
	last := ""
	for _, l := range r.Lines {
		name := l.Label
		if name == last {
			name = "" // one label for lines of one kind
		}
		last = l.Label
		indent := strings.Repeat(" ", label+4)
		head := fmt.Sprintf("  %-*s  ", label, name)
		body := table.Words(l.Text, width, indent)
		if color && name != "" {
			head = show.Paint(show.Dim, head)
		}
		fmt.Fprintln(a.out, head+strings.TrimPrefix(body, indent))
	}
	if len(r.Hints) == 0 || kill {
		return
	}
	fmt.Fprintln(a.out)
	for _, h := range r.Hints {
		fmt.Fprintln(a.out, table.Words("hint: "+h, width, ""))
	}
}

// endPatience is how long a process has to end after SIGTERM.
const endPatience = 10 * time.Second

// endHolders ends those who hold the address, after asking.
func (a *app) endHolders(ctx context.Context, f *explainfacts.Facts, yes bool) error {
	victims := explain.Victims(f)
	if why := explain.NoVictim(f); len(victims) == 0 && why != nil {
		return &hinted{err: why, hint: why.Hint}
	}
	if len(victims) == 0 {
		return &hinted{err: errors.New("end process: no process that can be seen holds it"), hint: "another user's processes are seen by root only"}
	}
	fmt.Fprintln(a.out)
	for _, v := range victims {
		line := fmt.Sprintf("pid %d, %s", v.PID, v.Name)
		if v.Command != "" {
			line = fmt.Sprintf("pid %d, %s", v.PID, v.Command)
		}
		if v.User != "" {
			line += ", user " + v.User
		}
		if v.Warning != "" {
			fmt.Fprintf(a.err, "lodge: %s (better: %s)\n", v.Warning, v.Stop)
		}
		if !yes {
			ok, err := a.confirm(ctx, "end "+line+"? [y/N] ")
			if err != nil {
				return err
			}
			if !ok {
				return &hinted{err: fmt.Errorf("end process %d: not ended, as was answered", v.PID), hint: "answer y, or use --yes"}
			}
		}
		err := explain.End(ctx, v, endPatience)
		switch {
		case errors.Is(err, pidfd.ErrGone):
			fmt.Fprintf(a.out, "%s: has ended already\n", line)
		case errors.Is(err, pidfd.ErrStays):
			return &hinted{err: err, hint: fmt.Sprintf("kill -KILL %d ends it without asking it", v.PID)}
		case errors.Is(err, os.ErrPermission):
			return &hinted{err: err, hint: "it is another user's: run lodge explain --kill as root"}
		case err != nil:
			return err
		default:
			fmt.Fprintf(a.out, "%s: ended\n", line)
		}
	}
	return nil
}

// confirm asks a question on the terminal. Without one nobody can answer.
func (a *app) confirm(ctx context.Context, question string) (bool, error) {
	if !isTerminal(a.env.Stdin) {
		return false, &usageError{err: errors.New("--kill asks, and standard input is no terminal"), hint: "lodge explain --kill --yes WHAT"}
	}
	fmt.Fprint(a.err, question)
	answer := make(chan string, 1)
	go func() { // ends with a line, or with the program: a read cannot be undone
		s, _ := bufio.NewReader(a.env.Stdin).ReadString('\n')
		answer <- s
	}()
	select {
	case s := <-answer:
		s = strings.ToLower(strings.TrimSpace(s))
		return s == "y" || s == "yes", nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// firstLine shortens what was given for a message.
func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return s
}
