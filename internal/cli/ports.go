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
	"lodge/internal/loopback"
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

// portsRequest is a command line of `lodge ports` that was understood.
type portsRequest struct {
	flags     portsFlags
	words     []string // as they were written
	selection selection
	query     sockets.Query // what is asked for beside the selection
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
select may be given several times, and several values with commas.`,
		Example: `  lodge ports 5432                         who listens there, who is connected
  lodge ports --listen --scope all-interfaces
  lodge ports shop/web --watch`,
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
	fs.Var(&f.scopes, "scope", "only `SCOPE`: "+strings.Join(scopeNames(), ", "))
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
	return c
}

// newPortsRequest understands a command line. What is wrong with it is wrong
// usage.
func newPortsRequest(f portsFlags, words []string, interval bool) (*portsRequest, error) {
	r := &portsRequest{flags: f, words: words}
	s := &r.selection
	for _, w := range words {
		if err := s.word(w, f.unix); err != nil {
			return nil, err
		}
	}
	if err := each(f.ports, func(w string) error {
		p, err := parsePorts(w)
		s.places = append(s.places, p)
		return err
	}); err != nil {
		return nil, err
	}
	if err := each(f.addresses, func(w string) error {
		ps, ok := parseAddresses(w)
		if !ok {
			return &usageError{err: fmt.Errorf("read address %q: it is none", w), hint: "for example 127.0.0.1, ::1 or 10.0.0.0/8"}
		}
		s.filter.Addresses = append(s.filter.Addresses, ps...)
		return nil
	}); err != nil {
		return nil, err
	}
	if err := each(f.services, func(w string) error {
		if p, svc, ok := strings.Cut(w, "/"); ok {
			s.service(projectService{p, svc})
		} else {
			s.filter.Services = append(s.filter.Services, w)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	var err error
	collect(&s.filter.PIDs, f.pids, parsePID, &err)
	collect(&s.filter.Users, f.users, parseUser, &err)
	collect(&s.filter.Names, f.processes, itself, &err)
	collect(&s.filter.Projects, f.projects, itself, &err)
	collect(&s.filter.Scopes, f.scopes, parseScope, &err)
	collect(&r.query.States, f.states, parseState, &err)
	if err != nil {
		return nil, err
	}
	if f.sort != "" {
		if r.flags.sort, err = choose("order", f.sort, portsSorts(), nil); err != nil {
			return nil, err
		}
	}
	if err := r.combine(interval); err != nil {
		return nil, err
	}
	r.query.AllNamespaces = f.namespaces
	r.query.TCPInfo = f.traffic || r.flags.sort == "traffic" || r.flags.sort == "rtt"
	r.query.Details = f.json
	return r, nil
}

// combine looks at the flags together.
func (r *portsRequest) combine(interval bool) error {
	f, s := &r.flags, &r.selection
	switch {
	case f.listen && f.connected:
		return &usageError{err: errors.New("show sockets: --listen and --connected leave nothing"), hint: "lodge ports shows both"}
	case interval && !f.watch:
		return &usageError{err: errors.New("show sockets: --interval is for --watch"), hint: "lodge ports --watch --interval " + f.interval.String()}
	case f.watch && f.interval < 10*time.Millisecond:
		return &usageError{err: fmt.Errorf("show sockets: --interval %s is too short", f.interval), hint: "--interval 1s"}
	case f.watch && f.sort != "":
		return &usageError{err: errors.New("show sockets: changes come in their own order, not in that of --sort"), hint: "leave --sort or --watch out"}
	}
	if f.listen {
		s.listening = true
		r.query.States = append(r.query.States, "listen", "bound")
	}
	if f.connected {
		r.query.States = append(r.query.States, connectedStates()...)
	}
	if f.tcp {
		s.protocols = append(s.protocols, string(loopback.TCP))
	}
	if f.udp {
		s.protocols = append(s.protocols, string(loopback.UDP))
	}
	if f.unix {
		s.protocols = append(s.protocols, string(protocolUnix))
	}
	if f.only4 {
		s.families = append(s.families, "ipv4")
	}
	if f.only6 {
		s.families = append(s.families, "ipv6")
	}
	return nil
}

// connectedStates are those of sockets that have, or had, another end.
func connectedStates() []string {
	return []string{"established", "syn_sent", "syn_recv", "fin_wait_1", "fin_wait_2", "time_wait", "close_wait", "last_ack", "closing", "connected"}
}

func itself(s string) (string, error) { return s, nil }

// collect adds what the words mean to a list, unless an earlier one was wrong.
func collect[T any](to *[]T, words []string, parse func(string) (T, error), err *error) {
	for _, w := range words {
		if *err != nil {
			return
		}
		var v T
		if v, *err = parse(w); *err == nil {
			*to = append(*to, v)
		}
	}
}

func each(words []string, f func(string) error) error {
	for _, w := range words {
		if err := f(w); err != nil {
			return err
		}
	}
	return nil
}

// scan reads the table once.
func (r *portsRequest) scan(ctx context.Context, l *look) (*sockets.Snapshot, error) {
	s := r.selection
	s.filter.Names = slices.Clip(s.filter.Names)
	s.filter.Projects = slices.Clip(s.filter.Projects)
	s.services, s.places = slices.Clip(s.services), slices.Clip(s.places)
	s.resolve(l.Homes, func(host string) *found { return l.find(ctx, host) })
	t, err := sockets.Scan(ctx, l.query(s.query(r.query)))
	if err != nil {
		return nil, err
	}
	if keep := s.keep(); keep != nil {
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
	if t.Len() == 0 && (len(r.selection.names) > 0 || r.unknownProject(l) != "") {
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
	for _, want := range r.selection.guessed {
		if !has(want) {
			return want.project + "/" + want.service
		}
	}
	for _, h := range r.selection.hosts {
		if want, _ := readHost(h.name); !has(want) && l.find(context.Background(), h.name) == nil {
			return h.name
		}
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
	return viewOptions{bothEnds: r.flags.bothEnds, timeWait: r.flags.bothEnds || slices.Contains(r.query.States, "time_wait") && !r.flags.connected}
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
	s := r.selection
	s.services = slices.Clip(s.services)
	s.resolve(l.Homes, func(host string) *found { return l.find(ctx, host) })
	for _, want := range s.services {
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
	for _, n := range r.selection.names {
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
