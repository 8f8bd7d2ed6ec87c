package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lodge/internal/explain/input"
	"lodge/internal/sockets"
)

// listenerTrouble reports what may be wrong where somebody does listen.
func (f *Facts) listenerTrouble(ip netip.Addr) []Cause {
	var out []Cause
	rows := f.listeners(ip)
	for _, r := range rows {
		// sk_acceptq_is_full: one more than the limit fits.
		if r.Backlog != nil && r.BacklogLimit != nil && *r.Backlog > *r.BacklogLimit {
			c := Cause{
				Code: BacklogFull, Operation: input.Connect, Sure: true, PIDs: f.pids(r),
				Summary: fmt.Sprintf("%s does not accept connections on %s: its queue is full, so new ones wait and time out.", upper(f.who(r)), f.own(r)),
				Hint:    "the server hangs or is too slow: look at what it does (lodge explain shows its state), or give listen() a longer queue",
			}
			if s := outOfDescriptors(r); s != "" {
				c.Evidence = append(c.Evidence, s)
				c.Summary = fmt.Sprintf("%s cannot accept connections on %s: it has no free descriptor (EMFILE), so its queue is full, and new ones wait and time out.", upper(f.who(r)), f.own(r))
				c.Hint = "give it more (ulimit -n, LimitNOFILE), or mend what does not close them: ls -l /proc/" + fmt.Sprint(r.Processes[0].PID) + "/fd"
			}
			if f.Kernel.AbortOnOverflow {
				c.Summary = fmt.Sprintf("%s does not accept connections on %s: its queue is full, so new ones are reset.", upper(f.who(r)), f.own(r))
			}
			c.Evidence = append(c.Evidence,
				fmt.Sprintf("%d connections wait for accept, and %d may", *r.Backlog, *r.BacklogLimit),
				fmt.Sprintf("since boot, on all listeners: ListenOverflows %d, ListenDrops %d", f.Kernel.Overflows, f.Kernel.Drops))
			c.Evidence = append(c.Evidence, f.about(r)...)
			out = append(out, c)
		}
		for _, p := range r.Processes {
			if c, ok := f.stopped(r, p); ok {
				out = append(out, c)
			}
		}
	}
	return append(out, f.shared(rows)...)
}

// stopped reports a listener whose only process does not run.
func (f *Facts) stopped(r *sockets.Row, p *sockets.Process) (Cause, bool) {
	s := f.Processes[p.PID].State
	if s != 'T' && s != 't' || len(r.Processes) != 1 {
		return Cause{}, false
	}
	by := "by a signal (SIGSTOP, or Ctrl-Z)"
	hint := fmt.Sprintf("let it go on: kill -CONT %d (or fg in its terminal)", p.PID)
	if s == 't' {
		by, hint = "by a debugger", "let it go on in the debugger"
	}
	return Cause{
		Code: ProcessStopped, Operation: input.Connect, Sure: true, PIDs: f.pids(r),
		Summary:  fmt.Sprintf("%s listens on %s but is stopped %s: connections are made and nobody answers.", upper(process(p)), f.own(r), by),
		Evidence: []string{fmt.Sprintf("/proc/%d/stat has state %c", p.PID, s)}, Hint: hint,
	}, true
}

// shared finds a port that several programs share by SO_REUSEPORT.
func (f *Facts) shared(rows []*sockets.Row) []Cause {
	groups := make(map[string][]*sockets.Row)
	for _, r := range rows {
		groups[f.own(r)+r.Family] = append(groups[f.own(r)+r.Family], r)
	}
	var out []Cause
	for _, rs := range groups {
		var programs, names []string
		for _, r := range rs {
			if f.lodgeHas(r) != nil {
				continue // kept open while its service is started again
			}
			if len(r.Processes) > 0 && !slices.Contains(programs, program(r.Processes[0])) {
				programs = append(programs, program(r.Processes[0]))
				names = append(names, process(r.Processes[0]))
			}
		}
		if len(programs) < 2 {
			continue
		}
		c := Cause{
			Code: ReusePortShared, Operation: input.Connect, Sure: true,
			Summary: fmt.Sprintf("Different programs share %s (SO_REUSEPORT): each connection goes to one of %s by chance.", f.own(rs[0]), joinNames(names)),
			Hint:    "end the ones that should not be there",
		}
		for _, r := range rs {
			c.Evidence = append(c.Evidence, f.line(r))
			c.PIDs = append(c.PIDs, f.pids(r)...)
		}
		out = append(out, c)
	}
	return out
}

// program tells two programs apart: by executable, directory and, since an
// interpreter runs many, the first argument that is no option.
func program(p *sockets.Process) string {
	key := p.Executable
	if key == "" {
		key = p.Name
	}
	args := strings.Fields(p.Command)
	for _, a := range args[min(len(args), 1):] {
		if !strings.HasPrefix(a, "-") {
			key += " " + a
			break
		}
	}
	return key + " in " + p.Directory
}

// exhausted reports whether connections to one address have used up the ports.
func (f *Facts) exhausted(to []netip.Addr) []Cause {
	if f.Kernel.EphemeralLast == 0 {
		return nil
	}
	all := int(f.Kernel.EphemeralLast-f.Kernel.EphemeralFirst) + 1
	for _, r := range f.Kernel.Reserved {
		first, last := max(r.First, f.Kernel.EphemeralFirst), min(r.Last, f.Kernel.EphemeralLast)
		if first <= last {
			all -= int(last-first) + 1
		}
	}
	for _, ip := range to {
		used := make(map[uint16]bool)
		waiting := 0
		for i := range f.Rows {
			r := &f.Rows[i]
			if r.Remote != nil && r.Remote.IP.Unmap() == ip && r.Remote.Port == f.Question.Port && r.Protocol == f.protocol() && f.Kernel.IsEphemeral(r.Local.Port) {
				used[r.Local.Port] = true
				if r.State == "time_wait" {
					waiting++
				}
			}
		}
		if len(used) < all {
			continue
		}
		return []Cause{{
			Code: PortsExhausted, Operation: input.Connect, Sure: true,
			Summary:  fmt.Sprintf("All ports for connections to %s are taken: each needs a port of its own at this end.", f.endpoint(ip)),
			Evidence: []string{fmt.Sprintf("%d connections to it, of which %d in TIME_WAIT; ports %d to %d", len(used), waiting, f.Kernel.EphemeralFirst, f.Kernel.EphemeralLast)},
			Hint:     "reuse connections (keep-alive, a pool), or widen net.ipv4.ip_local_port_range",
		}}
	}
	return nil
}

// closeWait finds the connections of a server that their clients have closed and
// it has not.
func (f *Facts) closeWait() []Cause {
	rows := f.at(func(r *sockets.Row) bool { return r.State == "close_wait" })
	if len(rows) == 0 {
		return nil
	}
	r := rows[0]
	c := Cause{
		Code: CloseWait, Operation: input.Connect, Sure: true, PIDs: f.pids(r),
		Summary: fmt.Sprintf("%s in CLOSE_WAIT: the other end has closed, and %s has not.", count(len(rows), "connection is", "connections are"), f.who(r)),
		Hint:    "if there are ever more of them, the program forgets to close what its clients have closed, until it has no descriptor left",
	}
	for _, r := range rows[:min(len(rows), maxShown)] {
		c.Evidence = append(c.Evidence, f.line(r))
	}
	return []Cause{c}
}

func (f *Facts) listensNow(ip netip.Addr) Cause {
	r := f.listeners(ip)[0]
	if k := f.keptFor(r); k != nil && k.Name != "" && k.State != "ready" {
		return Cause{
			Code: ServiceStarting, Operation: input.Connect, Sure: true,
			Summary:  fmt.Sprintf("Service %s of project %s %s. Lodge (pid %d) keeps %s open for it: connections wait in the queue until it accepts them.", k.Name, k.Project, k.does(), r.Processes[0].PID, f.own(r)),
			Evidence: []string{"lodge says: " + k.Name + " is " + k.State},
			Hint:     fmt.Sprintf("see what it does: cd %s && lodge logs -f %s", ShellWord(k.Path), k.Name),
		}
	}
	return Cause{
		Code: ListensNow, Operation: input.Connect, Sure: true,
		Summary:  fmt.Sprintf("%s listens on %s now, so a connection should work: when it was refused, the server was not there yet, or was just starting again.", upper(f.who(r)), f.own(r)),
		Evidence: f.about(r),
		Hint:     "try again",
	}
}
