package render

import (
	"fmt"
	"slices"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/words"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

func listenerAnswer(f *facts.Facts, r *Report) string {
	type group struct {
		who  string
		at   []string
		rows []*sockets.Row
	}
	var groups []*group
	for i := range r.Listeners {
		row := &r.Listeners[i]
		who := words.Holder(f, row)
		n := slices.IndexFunc(groups, func(g *group) bool { return g.who == who && g.rows[0].Protocol == row.Protocol })
		if n < 0 {
			groups = append(groups, &group{who: who})
			n = len(groups) - 1
		}
		groups[n].at = words.Add(groups[n].at, words.Own(row))
		groups[n].rows = append(groups[n].rows, row)
	}
	var out []string
	for _, g := range groups[:min(len(groups), 2)] {
		row := g.rows[0]
		verb := "listens on"
		if row.Protocol == loopback.UDP {
			verb = "waits for UDP datagrams on"
		}
		s := fmt.Sprintf("%s %s %s", words.Upper(g.who), verb, words.Join(g.at))
		if p := f.RowProject(row); p != "" && row.Service == "" {
			s += fmt.Sprintf(", inside the home of project %s", p)
		} else if p != "" {
			s += ", inside its home"
		}
		s = strings.TrimSuffix(s, ",")
		reach := loopback.ReachOf(row.Scope, row.Local.IP)
		s += ", reachable " + reach + "." + keptAnswer(f, row)
		if w := facts.ForwardOf(f, row); w != nil {
			s += " " + forwardsTo(w)
		}
		out = append(out, s)
	}
	if n := len(groups); n > 2 {
		out = append(out, fmt.Sprintf("%d more programs have the port too.", n-2))
	}
	if n := clients(f, r); n > 0 {
		out = append(out, words.Count(n, "connection is open to it.", "connections are open to it."))
	}
	if n := halfClosed(r); n > 0 {
		out = append(out, words.Count(n, "connection is closed here, and not by its client (FIN_WAIT2 here, CLOSE_WAIT there).", "connections are closed here, and not by their clients (FIN_WAIT2 here, CLOSE_WAIT there)."))
	}
	return strings.Join(out, " ")
}

// clients counts connections that are open.
func clients(f *facts.Facts, r *Report) int {
	n := 0
	for i := range r.Connections {
		if s := r.Connections[i].State; s != "time_wait" && s != "syn_recv" && s != "close_wait" && !facts.Closing(&r.Connections[i]) {
			n++
		}
	}
	return n
}

// halfClosed counts connections that the server has closed and the client has not.
func halfClosed(r *Report) int {
	n := 0
	for i := range r.Connections {
		if row := &r.Connections[i]; row.State == "fin_wait_2" && facts.Closing(row) {
			n++
		}
	}
	return n
}

// connectionAnswer reports what connections are there where no socket listens.
func connectionAnswer(f *facts.Facts, r *Report) string {
	var live, over []*sockets.Row
	for i := range r.Connections {
		row := &r.Connections[i]
		if facts.Closing(row) {
			over = append(over, row)
		} else {
			live = append(live, row)
		}
	}
	switch {
	case len(live) > 0:
		return liveAnswer(f, live)
	case len(over) > 0:
		row := over[0]
		s := fmt.Sprintf("Nobody has it now: it was one end of a connection to %s, closed less than a minute ago.", farUse(f, row))
		if row.State == "time_wait" {
			s += " The kernel keeps such a pair of addresses for up to 60 seconds, so that late packets do no harm (TIME_WAIT); after that it is free."
		} else {
			s += fmt.Sprintf(" The kernel is still closing it (%s), since the other end has not answered.", words.State(row.State))
		}
		if row.Closed != nil {
			s += fmt.Sprintf(" It was %s's.", words.Process(row.Closed))
		}
		return s
	}
	return ""
}

func liveAnswer(f *facts.Facts, live []*sockets.Row) string {
	row := live[0]
	more := ""
	if n := len(live) - 1; n > 0 {
		more = fmt.Sprintf(" So are %s.", words.Count(n, "other connection", "other connections"))
		if n == 1 {
			more = " There is one other connection."
		}
	}
	near := row.Local.AddrPort().String()
	switch {
	case row.Remote != nil && *row.Remote == *row.Local:
		return fmt.Sprintf("%s is connected to itself on %s: both ends are one socket, made by a program that kept trying to connect while nobody listened.", words.Upper(words.Holder(f, row)), near)
	case row.Local.Port != f.Question.Port:
		return fmt.Sprintf("%s is connected to it, from %s.", words.Upper(words.Holder(f, row)), near) + more
	case f.IsClient(row):
		s := fmt.Sprintf("%s is the client end of a connection: %s is connected from there to %s.", near, words.Holder(f, row), farUse(f, row))
		if row.State != "established" && row.State != "connected" {
			s = fmt.Sprintf("%s is the client end of a connection from %s to %s, in state %s.", near, words.Holder(f, row), farUse(f, row), words.State(row.State))
		}
		return s + more
	}
	return fmt.Sprintf("Nobody listens there any more, but %s still has a connection on it, to %s.", words.Holder(f, row), words.Far(row)) + more
}

// farUse writes the far end of a connection, its process, and what its port
// is commonly used for.
func farUse(f *facts.Facts, r *sockets.Row) string {
	s := r.Remote.AddrPort().String()
	if r.Peer != nil && len(r.Peer.Processes) > 0 {
		s = words.Processes(r.Peer.Processes) + " at " + s
	}
	if u, ok := loopback.CommonUse(r.Remote.Port); ok {
		u, _, _ = strings.Cut(u, ";")
		s += " (" + u + ")"
	}
	return s
}

// keptAnswer reports how the service is for which lodge holds a socket.
func keptAnswer(f *facts.Facts, r *sockets.Row) string {
	if k := f.KeptFor(r); k != nil && k.Name != "" {
		s := fmt.Sprintf(" Service %s %s", k.Name, words.Does(&k.Service))
		if k.Exit != nil && k.Ended && k.State != "exited" {
			s += fmt.Sprintf("; its exit status was %d", *k.Exit)
		}
		return s + "."
	}
	return ""
}

// forwardsTo reports what the proxy of a published port forwards to.
func forwardsTo(w *facts.Forward) string {
	where := "a container"
	if w.Name != "" {
		where = "container " + words.Short(w.Name)
	}
	switch {
	case len(w.Server) > 0 && len(w.Server[0].Processes) > 0:
		return fmt.Sprintf("It forwards to %s in %s, at %s.", words.Processes(w.Server[0].Processes), where, w.To)
	case len(w.Server) > 0:
		return fmt.Sprintf("It forwards to a server in %s, at %s.", where, w.To)
	case w.Known:
		return fmt.Sprintf("It forwards to %s in %s, and nobody listens there.", w.To, where)
	}
	return fmt.Sprintf("It forwards to a container, at %s port %d.", w.To.Addr(), w.To.Port())
}
