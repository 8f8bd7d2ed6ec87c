package explain

import (
	"fmt"
	"slices"
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// answer says in one to three sentences what is there, or why it fails.
func (f *Facts) answer(r *Report) string {
	switch {
	case f.Unix != nil:
		return f.unixAnswer(r)
	case f.Question.HasPort && f.Question.Port == 0:
		return "Port 0 is no port: a program that binds it gets a free one from the kernel, and nobody can connect to it."
	case f.aboutName() && f.Question.Operation == "":
		return f.nameAnswer() + f.amiss(r, 1)
	case f.Name != nil && f.Question.Operation == "":
		return f.nameAnswer() + " " + f.thing(r)
	case f.Resolution != nil && len(f.Targets) == 0 && f.Name == nil:
		return f.nameUnknown().Summary
	case f.Name != nil:
		return f.failure(r)
	case !f.Question.HasPort:
		return f.addressAnswer(r)
	case f.Question.Operation != "" || f.Question.Errno == "EMFILE" && len(r.Causes) > 0:
		return f.failure(r)
	}
	return f.thing(r)
}

// failure answers a message with an error in it.
func (f *Facts) failure(r *Report) string {
	if len(r.Causes) == 0 && f.Name != nil {
		return fmt.Sprintf("Nothing here explains it: %s", f.nameAnswer())
	}
	if len(r.Causes) == 0 {
		s := fmt.Sprintf("Nothing here explains it: %s", f.thing(r))
		if f.Question.Errno == "ECONNRESET" {
			s = fmt.Sprintf("%s The connection was reset by the program at the other end, which is not the network's or the firewall's doing: its log should say why.", f.thing(r))
		}
		return s
	}
	out := []string{r.Causes[0].Summary}
	for _, c := range r.Causes[1:] {
		// What does not go with the error is shown below, and not said here.
		if len(out) < 3 && c.Sure && f.weight(c) >= f.weight(r.Causes[0]) {
			out = append(out, c.Summary)
		}
	}
	return strings.Join(out, " ")
}

// addressAnswer answers an address or a name without a port.
func (f *Facts) addressAnswer(r *Report) string {
	a := r.Address
	subject := a.IP.String()
	var s string
	switch {
	case a.Name != "":
		s = fmt.Sprintf("%s means %s (%s).", a.Name, joinNames(strs(f.Targets)), a.ResolvedBy)
		subject = "It"
	case a.Project != "":
		s = fmt.Sprintf("%s is the home of project %s: what its processes see as localhost.", a.IP, a.Project)
		subject = "It"
	case a.Scope == loopback.ScopeHome:
		s = fmt.Sprintf("%s is one of the loopback addresses that lodge takes homes from; no project that is up has it.", a.IP)
		subject = "It"
	}
	if n, ok := f.space(a.IP); ok && !a.Local {
		return strings.TrimSpace(fmt.Sprintf("%s %s is an address in %s of this machine, such as that of a container (%s).", s, subject, spaceName(n), a.BlockName))
	}
	if !a.Local {
		return strings.TrimSpace(fmt.Sprintf("%s %s is not an address of this machine (%s: %s); it can be reached %s.", s, subject, a.Block, a.BlockName, a.Reach))
	}
	s = strings.TrimSpace(fmt.Sprintf("%s %s can be reached %s (%s).", s, subject, a.Reach, a.BlockName))
	switch n := len(r.Listeners); n {
	case 0:
		s += " Nobody listens on it."
	default:
		s += fmt.Sprintf(" %s on it.", count(n, "socket listens", "sockets listen"))
	}
	return s
}

// thing reports what is at an address and port.
func (f *Facts) thing(r *Report) string {
	var out []string
	if len(r.Listeners) > 0 {
		out = append(out, f.listenerAnswer(r))
	} else if s := f.connectionAnswer(r); s != "" {
		out = append(out, s)
	} else {
		out = append(out, f.emptyAnswer(r))
	}
	text := strings.Join(out, " ")
	if more := f.amiss(r, len(out)); !strings.Contains(text, strings.TrimSpace(more)) {
		text += more
	}
	return text
}

// amiss reports what is wrong with what is there, in as many sentences as are left
// after those that were said.
func (f *Facts) amiss(r *Report, said int) string {
	out := ""
	for _, c := range r.Causes {
		switch c.Code {
		case FirewallRule, BacklogFull, ProcessStopped, FamilyOrder, ReusePortShared, PortsExhausted, LoopbackDown, NoRoute, CloseWait, ForwardsNowhere:
			if c.Sure && said < 3 {
				out += " " + c.Summary
				said++
			}
		}
	}
	return out
}

func (f *Facts) listenerAnswer(r *Report) string {
	type group struct {
		who  string
		at   []string
		rows []*sockets.Row
	}
	var groups []*group
	for i := range r.Listeners {
		row := &r.Listeners[i]
		who := f.who(row)
		n := slices.IndexFunc(groups, func(g *group) bool { return g.who == who && g.rows[0].Protocol == row.Protocol })
		if n < 0 {
			groups = append(groups, &group{who: who})
			n = len(groups) - 1
		}
		groups[n].at = add(groups[n].at, f.own(row))
		groups[n].rows = append(groups[n].rows, row)
	}
	var out []string
	for _, g := range groups[:min(len(groups), 2)] {
		row := g.rows[0]
		verb := "listens on"
		if row.Protocol == loopback.UDP {
			verb = "waits for UDP datagrams on"
		}
		s := fmt.Sprintf("%s %s %s", upper(g.who), verb, joinNames(g.at))
		if p := f.rowProject(row); p != "" && row.Service == "" {
			s += fmt.Sprintf(", inside the home of project %s", p)
		} else if p != "" {
			s += ", inside its home"
		}
		s = strings.TrimSuffix(s, ",")
		reach := f.reach(row.Local.IP)
		s += ", reachable " + reach + "." + f.keptAnswer(row)
		if w := f.forwardOf(row); w != nil {
			s += " " + w.sentence()
		}
		out = append(out, s)
	}
	if n := len(groups); n > 2 {
		out = append(out, fmt.Sprintf("%d more programs have the port too.", n-2))
	}
	if n := f.clients(r); n > 0 {
		out = append(out, count(n, "connection is open to it.", "connections are open to it."))
	}
	if n := halfClosed(r); n > 0 {
		out = append(out, count(n, "connection is closed here, and not by its client (FIN_WAIT2 here, CLOSE_WAIT there).", "connections are closed here, and not by their clients (FIN_WAIT2 here, CLOSE_WAIT there)."))
	}
	return strings.Join(out, " ")
}

// clients counts connections that are open.
func (f *Facts) clients(r *Report) int {
	n := 0
	for i := range r.Connections {
		if s := r.Connections[i].State; s != "time_wait" && s != "syn_recv" && s != "close_wait" && !closing(&r.Connections[i]) {
			n++
		}
	}
	return n
}

// halfClosed counts connections that the server has closed and the client has not.
func halfClosed(r *Report) int {
	n := 0
	for i := range r.Connections {
		if row := &r.Connections[i]; row.State == "fin_wait_2" && closing(row) {
			n++
		}
	}
	return n
}

// connectionAnswer reports what connections are there where nobody listens.
func (f *Facts) connectionAnswer(r *Report) string {
	var live, over []*sockets.Row
	for i := range r.Connections {
		row := &r.Connections[i]
		if closing(row) {
			over = append(over, row)
		} else {
			live = append(live, row)
		}
	}
	switch {
	case len(live) > 0:
		return f.liveAnswer(live)
	case len(over) > 0:
		row := over[0]
		s := fmt.Sprintf("Nobody has it now: it was one end of a connection to %s, closed less than a minute ago.", f.farUse(row))
		if row.State == "time_wait" {
			s += " The kernel keeps such a pair of addresses for up to 60 seconds, so that late packets do no harm (TIME_WAIT); after that it is free."
		} else {
			s += fmt.Sprintf(" The kernel is still closing it (%s), since the other end has not answered.", state(row.State))
		}
		if row.Closed != nil {
			s += fmt.Sprintf(" It was %s's.", process(row.Closed))
		}
		return s
	}
	return ""
}

func (f *Facts) liveAnswer(live []*sockets.Row) string {
	row := live[0]
	more := ""
	if n := len(live) - 1; n > 0 {
		more = fmt.Sprintf(" So are %s.", count(n, "other connection", "other connections"))
		if n == 1 {
			more = " There is one other connection."
		}
	}
	near := row.Local.AddrPort().String()
	switch {
	case row.Remote != nil && *row.Remote == *row.Local:
		return fmt.Sprintf("%s is connected to itself on %s: both ends are one socket, made by a program that kept trying to connect while nobody listened.", upper(f.who(row)), near)
	case row.Local.Port != f.Question.Port:
		return fmt.Sprintf("%s is connected to it, from %s.", upper(f.who(row)), near) + more
	case f.isClient(row):
		s := fmt.Sprintf("%s is the client end of a connection: %s is connected from there to %s.", near, f.who(row), f.farUse(row))
		if row.State != "established" && row.State != "connected" {
			s = fmt.Sprintf("%s is the client end of a connection from %s to %s, in state %s.", near, f.who(row), f.farUse(row), state(row.State))
		}
		return s + more
	}
	return fmt.Sprintf("Nobody listens there any more, but %s still has a connection on it, to %s.", f.who(row), f.far(row)) + more
}

// farUse writes the far end of a connection, who is there, and what its port
// is commonly used for.
func (f *Facts) farUse(r *sockets.Row) string {
	s := r.Remote.AddrPort().String()
	if r.Peer != nil && len(r.Peer.Processes) > 0 {
		s = processes(r.Peer.Processes) + " at " + s
	}
	if u, ok := loopback.CommonUse(r.Remote.Port); ok {
		u, _, _ = strings.Cut(u, ";")
		s += " (" + u + ")"
	}
	return s
}

// emptyAnswer is for where there is no socket of that very address.
func (f *Facts) emptyAnswer(r *Report) string {
	for _, c := range r.Causes {
		switch c.Code {
		case OtherAddress, InHome, InNamespace, BoundOnly, ProcessDied, NotLocal, NameUnknown, NoRoute:
			return c.Summary
		case HeldByProcess, HeldInHome, EphemeralTaken:
			return fmt.Sprintf("Nobody listens there. %s", c.Summary)
		}
	}
	s := "Nothing is there: nobody listens on " + f.subject() + " and nobody is connected, so the port is free."
	if r.Port.Ephemeral {
		s += fmt.Sprintf(" It is one of those that this machine gives to outgoing connections (%d to %d), so any program may get it at any moment.", f.Kernel.EphemeralFirst, f.Kernel.EphemeralLast)
	}
	return s
}

// subject names what was asked about.
func (f *Facts) subject() string {
	switch {
	case f.Question.Name != "":
		return fmt.Sprintf("%s:%d", f.Question.Name, f.Question.Port)
	case len(f.Targets) > 0:
		return f.endpoint(f.Targets[0])
	}
	return fmt.Sprintf("port %d", f.Question.Port)
}
