package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// bindCauses reports why a bind fails. The rules of who is in whose way are those
// of inet_csk_get_port (net/ipv4/inet_connection_sock.c).
func (f *Facts) bindCauses() []Cause {
	var out []Cause
	for _, ip := range f.Targets {
		if !f.isLocal(ip) && (f.Question.Errno == "EADDRNOTAVAIL" || f.Question.Operation == input.Bind) {
			out = append(out, f.notLocal(ip, input.Bind))
		}
	}
	if port := f.Question.Port; port < f.Kernel.UnprivilegedStart && (!f.LowPorts || f.Question.Errno == "EACCES") {
		out = append(out, Cause{
			Code: PrivilegedPort, Operation: input.Bind, Sure: !f.LowPorts,
			Summary:  fmt.Sprintf("Port %d is below %d, which only root and programs with CAP_NET_BIND_SERVICE may bind.", port, f.Kernel.UnprivilegedStart),
			Evidence: []string{fmt.Sprintf("net.ipv4.ip_unprivileged_port_start is %d", f.Kernel.UnprivilegedStart), fmt.Sprintf("this is user %d", f.UID)},
			Hint:     fmt.Sprintf("use a port from %d up, run it inside a home (lodge run), or: sysctl -w net.ipv4.ip_unprivileged_port_start=%d", max(f.Kernel.UnprivilegedStart, 1024), port),
		})
	}
	if f.Question.Errno == "EADDRNOTAVAIL" {
		// Whoever has the port, that is another error (EADDRINUSE).
		if len(out) == 0 && len(f.Targets) > 0 {
			out = append(out, f.addressHere())
		}
		return out
	}
	out = append(out, f.inTheWay()...)
	if f.Question.Operation == input.Bind && len(out) == 0 {
		out = append(out, f.freeNow())
	}
	return out
}

// addressHere says that an address which was not there (EADDRNOTAVAIL) is one of
// this machine's.
func (f *Facts) addressHere() Cause {
	ip := f.Targets[0]
	c := Cause{
		Code: FreeNow, Operation: input.Bind, Sure: len(f.Unknown) == 0, Evidence: []string{},
		Summary: fmt.Sprintf("%s is an address of this machine, so a bind does not fail with EADDRNOTAVAIL here: that error says that the address is not there, not that the port is in use. Where the program ran, such as in a container, or at that time, it was not.", ip),
		Hint:    "try again, or bind an address that there is where the program runs",
	}
	if name := f.Local[ip.WithZone("")]; name != "" {
		c.Evidence = append(c.Evidence, fmt.Sprintf("interface %s has the address %s", name, ip))
	}
	return c
}

// freeNow says that a bind should work, and which sockets have the port all the
// same: at other addresses, or for IPv6 only.
func (f *Facts) freeNow() Cause {
	c := Cause{
		Code: FreeNow, Operation: input.Bind, Sure: len(f.Unknown) == 0,
		Summary:  fmt.Sprintf("Nothing holds port %d any more, so a bind should work now.", f.Question.Port),
		Evidence: []string{"no socket has the port: listening, connected, bound or in TIME_WAIT"},
		Hint:     "try again",
	}
	var rows []*sockets.Row
	for i := range f.Rows {
		if r := &f.Rows[i]; r.Local != nil && r.Local.Port == f.Question.Port && (listens(r) || r.State == "bound") {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return c
	}
	c.Evidence = nil
	for _, r := range rows[:min(len(rows), maxShown)] {
		c.Evidence = append(c.Evidence, f.line(r)+", "+strings.ToUpper(string(r.Protocol))+": not in the way")
	}
	c.Summary = fmt.Sprintf("Nothing is in the way of a bind to %s, so it should work now: %s has port %d at %s, which is another address.", f.bindSubject(), f.who(rows[0]), f.Question.Port, f.own(rows[0]))
	if f.Question.Protocol != "" && rows[0].Protocol != f.Question.Protocol {
		c.Summary = fmt.Sprintf("Nothing is in the way of a bind to %s by %s, so it should work now: %s has the port by %s.", f.bindSubject(), strings.ToUpper(string(f.Question.Protocol)), f.who(rows[0]), strings.ToUpper(string(rows[0].Protocol)))
	}
	return c
}

// bindSubject names what a bind is for.
func (f *Facts) bindSubject() string {
	if len(f.Targets) > 0 {
		return f.endpoint(f.Targets[0])
	}
	return fmt.Sprintf("port %d", f.Question.Port)
}

// bindTo are the addresses that a bind is for; the wildcard of both families
// where none was given.
func (f *Facts) bindTo() []netip.Addr {
	to := f.Targets
	if len(to) == 0 {
		to = []netip.Addr{netip.IPv6Unspecified()}
	}
	var out []netip.Addr
	for _, ip := range to {
		// Inside a home, what is bound to localhost is bound to the home.
		if inside := f.home(ip); len(inside) > 0 {
			out = append(out, inside...)
		} else {
			out = append(out, ip)
		}
	}
	return out
}

// inTheWay sorts the sockets that have the port by how they hold it.
func (f *Facts) inTheWay() []Cause {
	to := f.bindTo()
	rows := f.inTheWayOf(func(r *sockets.Row) bool {
		return slices.ContainsFunc(to, func(ip netip.Addr) bool {
			return overlaps(r, ip) || f.rowProject(r) != "" && loopback.IsLocalhost(ip)
		})
	})
	var held, homes, waiting, self, taken, left []*sockets.Row
	serves := slices.ContainsFunc(rows, func(r *sockets.Row) bool { return listens(r) && (f.rowProject(r) == "" || f.asksForHome(r)) })
	for _, r := range rows {
		switch {
		case f.rowProject(r) != "" && !f.asksForHome(r):
			if listens(r) || r.State == "bound" {
				homes = append(homes, r)
			}
		case listens(r) || r.State == "bound":
			held = append(held, r)
		case r.Remote != nil && *r.Remote == *r.Local:
			self = append(self, r)
		case closing(r):
			waiting = append(waiting, r)
		case serves:
			// A connection of the server that holds the port anyway.
		case f.isClient(r):
			taken = append(taken, r)
		default:
			left = append(left, r)
		}
	}
	var out []Cause
	out = append(out, f.held(held)...)
	out = append(out, f.heldInHomes(homes, len(held) == 0)...)
	out = append(out, f.selfConnected(self)...)
	out = append(out, f.taken(taken)...)
	out = append(out, f.leftOver(left)...)
	if !serves && len(out) == 0 {
		out = append(out, f.timeWait(waiting)...)
	}
	if !serves {
		return out
	}
	return append(out, f.sharedBind(held)...)
}

// inTheWayOf is at for a bind. Where the protocol was not said, sockets of UDP
// count too, if none of TCP does.
func (f *Facts) inTheWayOf(keep func(*sockets.Row) bool) []*sockets.Row {
	rows := f.at(keep)
	if f.Question.Protocol != "" || slices.ContainsFunc(rows, func(r *sockets.Row) bool { return listens(r) || r.State == "bound" }) {
		return rows
	}
	if f.Question.Operation != input.Bind {
		return rows
	}
	return append(rows, f.of(other(f.protocol()), func(r *sockets.Row) bool { return listens(r) && keep(r) })...)
}

// other is the other of TCP and UDP.
func other(p loopback.Protocol) loopback.Protocol {
	if p == loopback.UDP {
		return loopback.TCP
	}
	return loopback.UDP
}

// asksForHome reports whether the input is about the home that a socket is in.
func (f *Facts) asksForHome(r *sockets.Row) bool {
	return slices.ContainsFunc(f.bindTo(), func(ip netip.Addr) bool { return f.inSameHome(r, ip) })
}

// closing reports whether a socket is one that the kernel keeps after the program
// has closed it.
func closing(r *sockets.Row) bool {
	switch r.State {
	case "time_wait":
		return true
	case "fin_wait_1", "fin_wait_2", "last_ack", "closing":
		return len(r.Processes) == 0 && !r.Unknown
	}
	return false
}

// isClient reports whether a connection was made from here: somebody listens at
// its far end, or the far end is not this machine's and the port is one that
// the kernel gives to outgoing connections.
func (f *Facts) isClient(r *sockets.Row) bool {
	if r.Remote == nil {
		return false
	}
	if l, known := f.Listened[netip.AddrPortFrom(r.Remote.IP.WithZone(""), r.Remote.Port)]; known {
		return l
	}
	return f.Kernel.IsEphemeral(r.Local.Port)
}

func (f *Facts) held(rows []*sockets.Row) []Cause {
	var out []Cause
	for _, r := range rows {
		c := Cause{Code: HeldByProcess, Operation: input.Bind, Sure: true, PIDs: f.pids(r)}
		verb := "listens on"
		if r.State == "bound" && r.Protocol == loopback.TCP {
			verb = "has bound (and does not listen on)"
		} else if r.State == "bound" {
			verb = "has bound"
		}
		c.Summary = fmt.Sprintf("%s already %s %s.", upper(f.who(r)), verb, f.own(r))
		if f.Question.Protocol == "" && r.Protocol == loopback.UDP {
			c.Summary = fmt.Sprintf("%s already %s %s, by UDP.", upper(f.who(r)), verb, f.own(r))
		}
		c.Evidence = f.about(r)
		c.Hint = f.howToStop(r)
		if s := f.inherited(r); s != "" {
			c.Summary = strings.TrimSuffix(c.Summary, ".") + ". " + upper(s) + "."
			c.Evidence = append(c.Evidence, s)
		}
		if n := slices.IndexFunc(out, func(o Cause) bool { return slices.Equal(o.PIDs, c.PIDs) && len(c.PIDs) > 0 }); n >= 0 {
			// One program that listens on IPv4 and IPv6 is one cause.
			out[n].Summary = strings.TrimSuffix(out[n].Summary, ".") + " and " + f.own(r) + "."
			continue
		}
		out = append(out, c)
	}
	return out
}

// howToStop returns the command that ends who holds a socket, by whoever
// supervises it.
func (f *Facts) howToStop(r *sockets.Row) string {
	if own := f.lodgeHas(r); own != nil {
		return f.stopLodge(r, own)
	}
	if r.Project != "" && r.Service != "" {
		if p := f.named(r.Project); p != nil {
			return fmt.Sprintf("to stop the service: cd %s && lodge down %s", ShellWord(p.Path), r.Service)
		}
	}
	for _, p := range r.Processes {
		if p.Container != "" {
			return "to stop the container: docker stop " + short(p.Container)
		}
	}
	if len(r.Processes) == 0 {
		return f.unseenWhy(r)
	}
	hint := fmt.Sprintf("to stop it: lodge explain --kill %s", f.shortest())
	for _, p := range r.Processes {
		if isUnit(p) {
			return fmt.Sprintf("to stop it: systemctl stop %s (it may come back when it is killed)", p.Unit)
		}
	}
	if f.Question.Operation == "" {
		return hint
	}
	return hint + ", or use another port"
}

// isUnit reports whether systemd supervises a process by itself.
func isUnit(p *sockets.Process) bool {
	return strings.HasSuffix(p.Unit, ".service") && !strings.HasPrefix(p.Unit, "user@")
}

// shortest is the shortest way to ask for the same port again.
func (f *Facts) shortest() string {
	if f.Unix != nil {
		return ShellWord(f.Unix.Path)
	}
	if len(f.Question.IPs) == 1 && !f.Question.IPs[0].IsUnspecified() {
		return netip.AddrPortFrom(f.Question.IPs[0], f.Question.Port).String()
	}
	if f.Question.Protocol == loopback.UDP {
		return fmt.Sprintf("%d/udp", f.Question.Port)
	}
	return fmt.Sprintf(":%d", f.Question.Port)
}

// heldInHomes is for sockets inside homes. They are in the way of a bind to all
// addresses, and of everything that a program inside the same home calls
// localhost: whether a message is such a program's cannot be told, so that is
// not sure, and only said where nothing else is in the way.
func (f *Facts) heldInHomes(rows []*sockets.Row, alone bool) []Cause {
	if len(rows) == 0 {
		return nil
	}
	wild := len(f.Targets) == 0 || slices.ContainsFunc(f.Targets, netip.Addr.IsUnspecified)
	if !wild && (!alone || f.Question.Operation == "") {
		return nil
	}
	c := Cause{Code: HeldInHome, Operation: input.Bind, Sure: wild}
	var names []string
	for _, r := range rows {
		names = add(names, f.rowProject(r))
		c.Evidence = append(c.Evidence, f.line(r))
		c.PIDs = append(c.PIDs, f.pids(r)...)
	}
	r := rows[0]
	c.Evidence = append(c.Evidence, f.about(r)...)
	in := fmt.Sprintf("%s has port %d in the home of project %s: ", upper(f.who(r)), f.Question.Port, joinNames(names))
	if wild {
		c.Summary = in + "a bind to all addresses meets it, and so does any bind inside that home."
		c.Hint = "bind 127.0.0.1 instead of all addresses, or start the program in its own home (lodge run); " + f.howToStop(r)
	} else {
		c.Summary = in + "a program inside that home cannot bind it as well. Outside nothing holds it."
		c.Hint = f.howToStop(r)
	}
	return []Cause{c}
}

func (f *Facts) selfConnected(rows []*sockets.Row) []Cause {
	var out []Cause
	for _, r := range rows {
		out = append(out, Cause{
			Code: SelfConnected, Operation: input.Bind, Sure: true, PIDs: f.pids(r),
			Summary:  fmt.Sprintf("%s is connected to itself on %s: it kept trying to connect while nobody listened, and the kernel gave it that very port to connect from.", upper(f.who(r)), f.own(r)),
			Evidence: append([]string{fmt.Sprintf("both ends of the connection are %s", f.own(r)), f.rangeNote()}, f.about(r)...),
			Hint:     fmt.Sprintf("end that connection (restart the client), and take the port out of the ephemeral range: sysctl -w net.ipv4.ip_local_reserved_ports=%d", f.Question.Port),
		})
	}
	return out
}

func (f *Facts) taken(rows []*sockets.Row) []Cause {
	if len(rows) == 0 {
		return nil
	}
	r := rows[0]
	c := Cause{
		Code: EphemeralTaken, Operation: input.Bind, Sure: true, PIDs: f.pids(r),
		Summary: fmt.Sprintf("An outgoing connection has the port: %s is connected from %s to %s.", f.who(r), f.own(r), f.far(r)),
		Hint:    fmt.Sprintf("use a port outside %d to %d, or keep this one out of the range: sysctl -w net.ipv4.ip_local_reserved_ports=%d", f.Kernel.EphemeralFirst, f.Kernel.EphemeralLast, f.Question.Port),
	}
	c.Evidence = append(c.Evidence, f.rangeNote())
	for _, r := range rows[:min(len(rows), 5)] {
		c.Evidence = append(c.Evidence, f.line(r))
	}
	if !f.Kernel.IsEphemeral(f.Question.Port) {
		c.Hint = f.howToStop(r)
	}
	return []Cause{c}
}

// rangeNote reports whether the port is one that the kernel gives away.
func (f *Facts) rangeNote() string {
	in := "is in"
	if !f.Kernel.IsEphemeral(f.Question.Port) {
		in = "is not in"
	}
	return fmt.Sprintf("port %d %s this machine's range for outgoing connections, %d to %d", f.Question.Port, in, f.Kernel.EphemeralFirst, f.Kernel.EphemeralLast)
}

// leftOver is a connection of a server that does not listen any more: such as
// one that a child or a worker of it still has.
func (f *Facts) leftOver(rows []*sockets.Row) []Cause {
	if len(rows) == 0 {
		return nil
	}
	r := rows[0]
	c := Cause{
		Code: HeldByProcess, Operation: input.Bind, Sure: true,
		Summary: fmt.Sprintf("Nobody listens on the port any more, but %s still has a connection on it, which is in the way of a server that does not set SO_REUSEADDR.", f.who(r)),
		Hint:    f.howToStop(r),
	}
	for _, r := range rows[:min(len(rows), 5)] {
		c.Evidence = append(c.Evidence, f.line(r))
		c.PIDs = append(c.PIDs, f.pids(r)...)
	}
	return []Cause{c}
}

func (f *Facts) timeWait(rows []*sockets.Row) []Cause {
	if len(rows) == 0 {
		return nil
	}
	c := Cause{
		Code: TimeWait, Operation: input.Bind, Sure: true,
		Summary: fmt.Sprintf("The last connections on port %d are in TIME_WAIT: the kernel keeps them for up to 60 seconds after they are closed, and a server that does not set SO_REUSEADDR cannot bind meanwhile.", f.Question.Port),
		Hint:    "wait a minute, or set SO_REUSEADDR before bind (most servers do)",
	}
	if rows[0].State != "time_wait" {
		c.Summary = fmt.Sprintf("The last connections on port %d are still being closed by the kernel, and a server that does not set SO_REUSEADDR cannot bind meanwhile.", f.Question.Port)
	}
	for _, r := range rows[:min(len(rows), 5)] {
		c.Evidence = append(c.Evidence, f.line(r))
	}
	if n := len(rows); n > 5 {
		c.Evidence = append(c.Evidence, fmt.Sprintf("and %d more", n-5))
	}
	return []Cause{c}
}

// sharedBind is shared, for a bind: the port is held by several programs.
func (f *Facts) sharedBind(rows []*sockets.Row) []Cause {
	if f.Question.Operation != input.Bind {
		return nil // the connection's rules have said so
	}
	out := f.shared(rows)
	for i := range out {
		out[i].Operation = input.Bind
	}
	return out
}
