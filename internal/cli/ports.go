package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lodge/internal/localapi"
	"lodge/internal/query"
	"lodge/internal/query/socketquery"
	"lodge/internal/service"
	"lodge/internal/show"
	"lodge/internal/sockets"
)

// portsFlags are the flags of `lodge ports` as they were written.
type portsFlags struct {
	ports, addresses, pids, processes, users, projects, services, states, scopes list

	listen, connected    bool
	tcp, udp, unix       bool
	only4, only6         bool
	namespaces, bothEnds bool
	traffic, wide        bool
	noHeader, json       bool
	sort                 string
	reverse              bool
	watch                bool
	interval             time.Duration
}

// list is a flag that may be given several times, and several values with
// commas. (pflag has one of its own, which makes a writer of CSV at each start
// of the program to say that the list is empty.)
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }
func (l *list) Type() string   { return "list" }

// Set adds values.
func (l *list) Set(s string) error {
	*l = append(*l, strings.Split(s, ",")...)
	return nil
}

func (a *app) portsCommand() *cobra.Command {
	var f portsFlags
	c := &cobra.Command{
		Use:   "ports [FILTER...]",
		Short: "Every socket and its process, with both ends of connections",
		Long: `Show the sockets of this machine: who listens, who is connected to whom.

A FILTER is a port (5432), a range (3000-3010), an address (127.0.0.1, 10.0.0.0/8),
ADDRESS:PORT, a process (postgres), a project or PROJECT/SERVICE. Filters of one
kind widen, those of different kinds narrow: "5432 6379" is two ports, "5432 psql"
is one port and one program. Either end of a connection may match. The flags that
select may be given several times, and several values with commas.

KEY=VALUE asks for more, also with != < <= > >= and ~ (contains): "port>=3000",
"state=listen,bound", "command~webpack". and, or, not and parentheses put filters
together; quote them from the shell. The keys are
port, lport, rport, address, local, remote, protocol, family, state, scope,
path, process, pid, user, executable, command, directory, parent, unit,
container, project, service, namespace, inode, recvq, sendq, backlog, rtt, sent,
received, retransmits, age, opened.`,
		Example: `  lodge ports 5432                         who listens there, who is connected
  lodge ports --listen --scope all-interfaces
  lodge ports shop/web --watch
  lodge ports 'port=3000-3999 and not process=node'`,
		RunE: func(c *cobra.Command, words []string) error {
			r, err := newPortsRequest(f, words, c.Flags().Changed("interval"))
			if err != nil {
				return err
			}
			if f.watch {
				return a.watchPorts(c.Context(), r)
			}
			return a.ports(c.Context(), r)
		},
	}
	fs := c.Flags()
	fs.SortFlags = false
	fs.Var(&f.ports, "port", "only `PORT`, or a range such as 3000-3010")
	fs.Var(&f.addresses, "address", "only `ADDRESS`, or a prefix such as 10.0.0.0/8")
	fs.Var(&f.pids, "pid", "only the process `PID`")
	fs.Var(&f.processes, "process", "only processes of this `NAME`, or a part of it")
	fs.Var(&f.users, "user", "only sockets and processes of `USER`")
	fs.Var(&f.projects, "project", "only `PROJECT` of lodge's")
	fs.Var(&f.services, "service", "only `SERVICE`, or PROJECT/SERVICE")
	fs.Var(&f.states, "state", "only `STATE`, such as listen, established, time_wait")
	fs.Var(&f.scopes, "scope", "only `SCOPE`: "+strings.Join(socketquery.Scopes(), ", "))
	fs.BoolVarP(&f.listen, "listen", "l", false, "only what listens")
	fs.BoolVar(&f.connected, "connected", false, "only connections")
	fs.BoolVarP(&f.tcp, "tcp", "t", false, "TCP")
	fs.BoolVarP(&f.udp, "udp", "u", false, "UDP; with neither, TCP and UDP")
	fs.BoolVarP(&f.unix, "unix", "x", false, "Unix sockets")
	fs.BoolVarP(&f.only4, "ipv4", "4", false, "only IPv4 sockets")
	fs.BoolVarP(&f.only6, "ipv6", "6", false, "only IPv6 sockets")
	fs.BoolVarP(&f.namespaces, "namespaces", "A", false, "also other network namespaces, such as those of containers")
	fs.BoolVar(&f.bothEnds, "both-ends", false, "a line for each end of a connection")
	fs.BoolVarP(&f.traffic, "traffic", "i", false, "bytes sent and received, round-trip time")
	fs.BoolVar(&f.traffic, "info", false, "the same as --traffic")
	fs.StringVar(&f.sort, "sort", "", "by `ORDER`: "+strings.Join(portsSorts(), ", "))
	fs.BoolVarP(&f.reverse, "reverse", "r", false, "the other way round")
	fs.BoolVar(&f.wide, "wide", false, "do not cut lines to the terminal's width")
	fs.BoolVar(&f.noHeader, "no-header", false, "no line of titles")
	fs.BoolVar(&f.json, "json", false, "as JSON, with every socket")
	fs.BoolVarP(&f.watch, "watch", "w", false, "go on, and show what changes: + opened, - closed, ~ changed")
	fs.DurationVar(&f.interval, "interval", time.Second, "`TIME` between two looks of --watch")
	completesFilter(c)
	return c
}

// resolved returns the filter with the meaning that names have now.
func (r *portsRequest) resolved(ctx context.Context, l *look) query.Expr {
	return resolveFilter(r.schema, r.filter, l.Homes, func(host string) *found { return l.find(ctx, host) })
}

// scan reads the table once.
func (r *portsRequest) scan(ctx context.Context, l *look) (*sockets.Snapshot, error) {
	q, rest := socketquery.Lower(r.resolved(ctx, l), l.query(r.query))
	t, err := sockets.Scan(ctx, q)
	if err != nil {
		return nil, err
	}
	if keep := socketquery.Keep(rest, time.Now); keep != nil {
		t.Keep(keep)
	}
	return t, nil
}

func (a *app) ports(ctx context.Context, r *portsRequest) error {
	l := a.look(ctx)
	defer l.Close()
	t, err := r.scan(ctx, l)
	if err != nil {
		return err
	}
	warnings := slices.Concat(l.Warnings, t.Warnings())
	if r.flags.json {
		if err := a.printed(writeTableJSON(a.out, t, sortedRows(t, r.flags.sort, r.flags.reverse), t.UnknownOwners(), warnings)); err != nil {
			return err
		}
		return r.mistaken(l, t)
	}
	v := newPortsView(t, r.viewOptions())
	v.sort(r.flags.sort, r.flags.reverse)
	if err := a.portsText(r).print(a.out, v); err != nil {
		return a.printed(err)
	}
	a.portsRemarks(ctx, r, l, t, warnings)
	return r.mistaken(l, t)
}

// mistaken is no success where nothing matches and a word was taken for a name:
// of a process, or of a project or service that there is not. Most likely it is
// none. That nobody listens on a port, or that a service does not, is an answer.
func (r *portsRequest) mistaken(l *look, t *sockets.Snapshot) error {
	if t.Len() == 0 && (len(r.names()) > 0 || r.unknownProject(l) != "") {
		return &exitError{code: exitNotDone}
	}
	return nil
}

// unknownProject returns the first word that means a project, or a service, that
// there is not.
func (r *portsRequest) unknownProject(l *look) string {
	has := func(want projectService) bool {
		return slices.ContainsFunc(l.Projects, func(p localapi.Project) bool {
			return p.Shown() == want.project && (want.service == "" || indexOf(p, want.service) >= 0)
		})
	}
	var services, hosts []string
	query.Walk(r.filter, func(t *query.Term, _ bool) {
		v := t.Values[0]
		switch {
		case t.Bare && t.Field.ID == socketquery.Service && !has(projectService{v.Text, v.Name}):
			services = append(services, t.Text)
		case t.Field.ID == socketquery.Host:
			if want, _ := readHost(v.Text); !has(want) && l.find(context.Background(), v.Text) == nil {
				hosts = append(hosts, v.Text)
			}
		}
	})
	for _, name := range append(services, hosts...) {
		return name
	}
	return ""
}

// printed returns the error of printing. Nobody reads on: that is the reader's
// choice, and no failure.
func (a *app) printed(err error) error {
	if errors.Is(err, unix.EPIPE) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (r *portsRequest) viewOptions() viewOptions {
	return viewOptions{bothEnds: r.flags.bothEnds, timeWait: r.flags.bothEnds || socketquery.Shows(r.filter, "time_wait") && !r.flags.connected}
}

func (a *app) portsText(r *portsRequest) *portsText {
	p := &portsText{
		header: !r.flags.noHeader, traffic: r.query.TCPInfo, age: true, now: time.Now(), view: r.viewOptions(),
	}
	p.color = a.wantsColor(a.env.Stdout)
	if !r.flags.wide {
		p.width = terminalWidth(a.env.Stdout)
	}
	return p
}

// portsRemarks says on standard error what the table does not.
func (a *app) portsRemarks(ctx context.Context, r *portsRequest, l *look, t *sockets.Snapshot, warnings []string) {
	for _, w := range warnings {
		fmt.Fprintln(a.err, "lodge: "+w)
	}
	if t.Len() == 0 {
		fmt.Fprintln(a.err, "no socket matches"+r.meant(ctx, l))
	}
	a.unknownOwners(t.UnknownOwners())
}

// unknownOwners says how many owners are not shown, and how they would be.
func (a *app) unknownOwners(n int) {
	if n == 0 {
		return
	}
	verb := "belong"
	if n == 1 {
		verb = "belongs"
	}
	whose := "processes of other users: sudo lodge ports, or lodge setup"
	if os.Geteuid() == 0 {
		whose = "processes that cannot be seen from here, such as those of another pid namespace"
	}
	fmt.Fprintf(a.err, "%s %s to %s\n", show.Count(n, "socket", "sockets"), verb, whose)
}

// meant returns a hint where a word that was taken for a name is a word of a
// flag, and says of a service that it does not listen.
func (r *portsRequest) meant(ctx context.Context, l *look) string {
	var services []projectService
	query.Walk(r.resolved(ctx, l), func(t *query.Term, _ bool) {
		for _, v := range t.Values {
			if t.Field.ID == socketquery.Service && v.Text != "" {
				services = append(services, projectService{v.Text, v.Name})
			}
		}
	})
	for _, want := range services {
		for _, p := range l.Projects {
			if i := indexOf(p, want.service); i >= 0 && p.Shown() == want.project && len(p.Services[i].Endpoints) == 0 {
				why := string(p.Services[i].State)
				if reason := p.Services[i].Reason; reason != "" {
					why += ", " + reason
				}
				return fmt.Sprintf(": %s/%s listens on nothing (%s)", p.Shown(), want.service, why)
			}
		}
	}
	if name := r.unknownProject(l); name != "" {
		return fmt.Sprintf(": nothing that is up is called %s (hint: lodge ls)", name)
	}
	for _, n := range r.names() {
		for _, p := range l.Projects {
			if slices.ContainsFunc(p.Services, func(s service.Status) bool { return s.Name == n }) {
				return fmt.Sprintf(" a process or project %q (hint: lodge ports %s/%s)", n, p.Shown(), n)
			}
		}
		if s, err := parseState(n); err == nil {
			return fmt.Sprintf(" a process or project %q (hint: lodge ports --state %s)", n, s)
		}
		if s, err := parseScope(n); err == nil {
			return fmt.Sprintf(" a process or project %q (hint: lodge ports --scope %s)", n, s)
		}
		switch n {
		case "tcp", "udp", "unix":
			return fmt.Sprintf(" a process or project %q (hint: lodge ports --%s)", n, n)
		}
	}
	return ""
}
