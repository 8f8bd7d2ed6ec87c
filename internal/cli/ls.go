package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/operation"
	"lodge/internal/service"
	"lodge/internal/show"
	"lodge/internal/show/table"
)

func (a *app) lsCommand() *cobra.Command {
	var asJSON, all, watch bool
	c := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"ps", "status"},
		Short:   "What runs: projects, services, homes and ports",
		Long: "List what runs: each service with its state, its project's home, its ports and its name.\n" +
			"What runs outside of lodge is in `lodge ports`.",
		Example: `  lodge ls
  lodge ls --json | jq -r '.projects[].services[].url'`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return a.watchLs(c.Context(), asJSON, all)
			}
			return a.ls(c.Context(), asJSON, all)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "list again whenever something changes; with --json one line each time")
	c.Flags().BoolVarP(&all, "all", "a", false, "also projects that are not up, with the home that they will have")
	return c
}

func (a *app) ls(ctx context.Context, asJSON, all bool) error {
	c, ps, err := a.listed(ctx, all)
	if err != nil {
		return err
	}
	if c != nil {
		defer c.Close()
	}
	warnHalted(ps.Projects)
	if asJSON {
		return a.printJSON(ps)
	}
	a.warn(ps.Warnings)
	if len(ps.Projects) == 0 {
		fmt.Fprintln(a.err, "nothing is up; start a project with `lodge up`, or one command with `lodge run -- CMD`")
		return nil
	}
	a.listProjects(ps.Projects)
	return nil
}

func (a *app) printJSON(v any) error { return show.JSON(a.out, v) }

func (a *app) listProjects(ps []localapi.Project) { a.listProjectsTo(a.out, ps) }

func (a *app) listProjectsTo(out io.Writer, ps []localapi.Project) {
	rows := [][]string{{"PROJECT", "SERVICE", "STATE", "HOME", "PORTS", "ENGINE", "PID", "UP", "NAME"}}
	for _, p := range ps {
		if len(p.Services) == 0 {
			rows = append(rows, []string{p.Shown(), "-", p.State, p.Home, ports(p.Others), show.Dash(string(p.Engine)), "-", "-", "-"})
		}
		for _, s := range p.Services {
			pid, up := "-", "-"
			if s.PID != 0 {
				pid = strconv.Itoa(s.PID)
			}
			if s.StartedAt != nil && s.PID != 0 {
				up = show.Age(time.Since(*s.StartedAt))
			}
			rows = append(rows, []string{p.Shown(), s.Name, string(s.State), p.Home, ports(reachable(s.Endpoints)), string(p.Engine), pid, up, shownName(s)})
			for _, n := range s.PortNames {
				rows = append(rows, []string{"", "", "", "", strconv.Itoa(int(n.Port)), "", "", "", shownPortName(n)})
			}
		}
	}
	width := 0
	switch out {
	case a.out:
		width = terminalWidth(a.env.Stdout)
	case a.err:
		width = terminalWidth(a.env.Stderr)
	}
	w := table.NewTabs(out)
	for _, cells := range fitting(rows, width) {
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush()
	for _, p := range ps {
		for _, s := range p.Services {
			if s.SharedURL != "" {
				// What others may reach must not be overlooked.
				fmt.Fprintln(out, a.red(out, fmt.Sprintf("%s/%s: shared with the network: %s", p.Shown(), s.Name, s.SharedURL)))
			}
			if line := choice(s); line != "" {
				fmt.Fprintf(out, "%s/%s: %s\n", p.Shown(), s.Name, line)
			}
			for _, w := range s.Warnings {
				fmt.Fprintf(out, "%s/%s: %s\n", p.Shown(), s.Name, w)
			}
			// One that is starting and was ready before, or has ended: why it is not any more.
			again := s.State == service.Starting && (s.ReadyMS > 0 || s.Failing != "") && s.PID != 0 && s.Reason != ""
			if s.State == service.Failed || s.State == service.Backoff || again {
				fmt.Fprintf(out, "%s/%s: %s\n", p.Shown(), s.Name, s.Reason)
			}
		}
		if p.Unresponsive != "" {
			for _, text := range haltedNotes([]localapi.Project{p}) {
				fmt.Fprintln(out, a.red(out, text))
			}
		}
		if p.DirectoryProblem != "" {
			fmt.Fprintf(out, "%s: its directory %s %s; `lodge down --project %s` ends it\n", p.Shown(), p.Path, operation.Became(p), p.ID)
		}
		if p.LogError != "" {
			fmt.Fprintf(out, "%s: logs are not kept: %s\n", p.Shown(), p.LogError)
		}
	}
}

// fitting leaves columns out of a table, of which the first row is the titles,
// until it fits: those that a person misses least. The home stays: it is how a
// service is reached whose name the machine does not find. width 0 is no
// terminal, to which everything is printed.
func fitting(rows [][]string, width int) [][]string {
	for _, spare := range []string{"ENGINE", "PID", "UP"} {
		total := -2
		for col := range rows[0] {
			most := 0
			for _, r := range rows {
				most = max(most, table.Width(r[col]))
			}
			total += most + 2
		}
		i := slices.Index(rows[0], spare)
		if width == 0 || total <= width || i < 0 {
			return rows
		}
		for n, r := range rows {
			rows[n] = slices.Delete(r, i, i+1)
		}
	}
	return rows
}

// red colours a line on a terminal (ECMA-48, SGR).
func (a *app) red(out io.Writer, line string) string {
	if out != a.out && out != io.Writer(a.env.Stderr) || !a.wantsColor(a.env.Stdout) {
		return line
	}
	return show.Paint(show.BoldRed, line)
}

// shownName is what a person types to reach the service: its HTTPS name, or
// its name for any protocol.
func shownName(s service.Status) string {
	if s.URL != "" {
		return s.URL
	}
	return show.Dash(s.HostName)
}

// shownPortName is shownName for a port.
func shownPortName(n service.PortName) string {
	if n.URL != "" {
		return n.URL
	}
	return show.Dash(n.HostName)
}

// choice says to which port of several a service's name leads, and how to
// choose, where the file does not say it.
func choice(s service.Status) string {
	ports := slices.DeleteFunc(names.TCPPorts(&s), service.Ephemeral)
	if s.State != service.Up || s.URL == "" || s.HTTP != 0 || s.HTTPSocket != "" || len(s.PortNames) > 0 || len(ports) < 2 {
		return ""
	}
	leads := "to the lowest port that speaks HTTP"
	if s.WebPort != 0 {
		leads = fmt.Sprintf("to port %d", s.WebPort)
	}
	host := strings.TrimPrefix(s.URL, "https://")
	return fmt.Sprintf("its name leads %s; PORT.%s leads to any, and http or names in lodge.toml choose", leads, host)
}

// reachable leaves out a server's socket for IPv6 alone where it has one for
// IPv4 on the same port, in a home without an IPv6 address of its own: it is
// found there from inside only.
func reachable(eps []loopback.Endpoint) []loopback.Endpoint {
	return slices.DeleteFunc(append([]loopback.Endpoint{}, eps...), func(e loopback.Endpoint) bool {
		return e.RealPort != 0 && slices.ContainsFunc(eps, func(o loopback.Endpoint) bool { return o.IP.Is4() && o.Protocol == e.Protocol && o.Port == e.Port })
	})
}

// ports returns a service's ports as a cell of a table.
func ports(eps []loopback.Endpoint) string { return show.Dash(strings.Join(loopback.Ports(eps), ",")) }
