// Package ports is `lodge ports`: the table of sockets with their processes, as text, as
// JSON and as changes.
package ports

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/filter"
	"lodge/internal/cli/kit"
	"lodge/internal/query"
	"lodge/internal/query/socketquery"
	"lodge/internal/sockets"
)

// flags are the flags of `lodge ports` as they were written.
type flags struct {
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

func (l *list) Type() string { return "list" }

// Set adds values.
func (l *list) Set(s string) error {
	*l = append(*l, strings.Split(s, ",")...)
	return nil
}

// Command returns the command lodge ports.
func Command(k *kit.Kit) *cobra.Command {
	var f flags
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
			r, err := newRequest(f, words, c.Flags().Changed("interval"))
			if err != nil {
				return err
			}
			if f.watch {
				k.CatchSignals()
				return watch(c.Context(), k, r)
			}
			return printTable(c.Context(), k, r)
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
	fs.StringVar(&f.sort, "sort", "", "by `ORDER`: "+strings.Join(sortOrders(), ", "))
	fs.BoolVarP(&f.reverse, "reverse", "r", false, "the other way round")
	fs.BoolVar(&f.wide, "wide", false, "do not cut lines to the terminal's width")
	fs.BoolVar(&f.noHeader, "no-header", false, "no line of titles")
	fs.BoolVar(&f.json, "json", false, "as JSON, with every socket")
	fs.BoolVarP(&f.watch, "watch", "w", false, "go on, and show what changes: + opened, - closed, ~ changed")
	fs.DurationVar(&f.interval, "interval", time.Second, "`TIME` between two looks of --watch")
	filter.Complete(c)
	return c
}

// resolved returns the filter with the meaning that names have now.
func (r *request) resolved(ctx context.Context, l *daemonview.View) query.Expr {
	return filter.Resolve(r.schema, r.filter, l.Homes, func(host string) *daemonview.Found { return l.Find(ctx, host) })
}

// scan reads the table once.
func (r *request) scan(ctx context.Context, l *daemonview.View) (*sockets.Snapshot, error) {
	if r.filter != nil {
		l.Wait(ctx) // it may name projects
	}
	q, rest := socketquery.Lower(r.resolved(ctx, l), l.Query(r.query))
	t, err := sockets.Scan(ctx, q)
	if err != nil {
		return nil, err
	}
	if keep := socketquery.Keep(rest, time.Now); keep != nil {
		t.Keep(keep)
	}
	return t, nil
}

// listsUnix reports whether Unix sockets are asked for.
func (r *request) listsUnix() bool {
	q, _ := socketquery.Lower(r.filter, r.query)
	return q.Unix || slices.Contains(q.Protocols, string(protocolUnix))
}

func printTable(ctx context.Context, k *kit.Kit, r *request) error {
	look := daemonview.Begin
	if r.listsUnix() {
		look = daemonview.Open // the sockets of a question that is under way would be listed
	}
	l := look(ctx, k)
	defer l.Close()
	t, err := r.scan(ctx, l)
	if err != nil {
		return err
	}
	warnings := slices.Concat(l.Warnings, t.Warnings())
	if r.flags.json {
		if err := kit.Printed(writeTableJSON(k.Out, t, sortedRows(t, r.flags.sort, r.flags.reverse), t.UnknownOwners(), warnings)); err != nil {
			return err
		}
		return r.mistaken(l, t)
	}
	v := newView(t, r.viewOptions())
	v.sort(r.flags.sort, r.flags.reverse)
	if err := newTableText(k, r).print(k.Out, v); err != nil {
		return kit.Printed(err)
	}
	printRemarks(ctx, k, r, l, t, warnings)
	return r.mistaken(l, t)
}

func (r *request) viewOptions() viewOptions {
	return viewOptions{bothEnds: r.flags.bothEnds, timeWait: r.flags.bothEnds || socketquery.Shows(r.filter, "time_wait") && !r.flags.connected}
}

func newTableText(k *kit.Kit, r *request) *tableText {
	p := &tableText{
		header: !r.flags.noHeader, traffic: r.query.TCPInfo, age: true, now: time.Now(), view: r.viewOptions(),
	}
	p.color = k.WantsColor(k.Env.Stdout)
	if !r.flags.wide {
		p.width = kit.TerminalWidth(k.Env.Stdout)
	}
	return p
}
