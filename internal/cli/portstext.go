package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// line is an entry with its rows made.
type line struct {
	row   *sockets.Row
	other *sockets.Row // the other end's, nil where it is not in the table
	flip  bool
}

// portsText prints a table of sockets for people.
type portsText struct {
	width   int // of the terminal; 0 is none, and nothing is shortened
	color   bool
	header  bool
	traffic bool // the columns of tcp_info
	age     bool
	now     time.Time
	view    viewOptions
}

// print writes what listens, then the connections, then Unix sockets.
func (p *portsText) print(w io.Writer, v *portsView) error {
	written := false
	sections := []struct {
		entries []entry
		columns func(*portsView, []entry) []column[line]
	}{{v.listeners, p.listenerColumns}, {v.connections, p.connectionColumns}, {v.unix, p.unixColumns}}
	for _, s := range sections {
		if len(s.entries) == 0 {
			continue
		}
		if written {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		written = true
		t := textTable[line]{columns: s.columns(v, s.entries), width: p.width, color: p.color, header: p.header}
		if err := t.print(w, len(s.entries), v.maker(s.entries)); err != nil {
			return err
		}
	}
	if v.timeWait > 0 {
		if written {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "%s in TIME_WAIT: lodge ports --state time_wait\n", count(v.timeWait, "closed connection")); err != nil {
			return err
		}
	}
	return nil
}

// maker returns the function that makes the lines of entries, each valid until
// the next.
func (v *portsView) maker(es []entry) func(int) *line {
	var own, other sockets.RowMaker
	var l line
	return func(i int) *line {
		e := &es[i]
		l = line{row: v.source.Row(int(e.index), &own), flip: e.flip}
		if e.other >= 0 {
			l.other = v.source.Row(int(e.other), &other)
		}
		return &l
	}
}

// sample reports whether one of the first entries has something, and so whether
// it is worth a column.
func (v *portsView) sample(es []entry, has func(*line) bool) bool {
	make := v.maker(es)
	for i := range min(len(es), tableSample) {
		if has(make(i)) {
			return true
		}
	}
	return false
}

// count returns "1 socket", "2 sockets".
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}

func (p *portsText) listenerColumns(v *portsView, es []entry) []column[line] {
	cs := []column[line]{
		{title: "PROTO", cell: func(b []byte, e *line) []byte { return append(b, e.row.Protocol...) }},
		{title: "LISTENS ON", cell: func(b []byte, e *line) []byte { return appendAddrPort(b, e.row.Local) }, least: 21},
	}
	if v.listenFacts.notListening {
		cs = append(cs, column[line]{title: "STATE", cell: func(b []byte, e *line) []byte {
			if listens(e.row) {
				return b
			}
			return append(b, e.row.State...)
		}})
	}
	cs = append(cs, scopeColumn(v.listenFacts)...)
	cs = append(cs,
		column[line]{title: "PROCESS", cell: func(b []byte, e *line) []byte { return p.appendOwner(b, e.row) }, least: 14},
		column[line]{title: "USER", cell: appendUser, least: 6, give: 1},
	)
	if v.sample(es, func(e *line) bool { return e.row.Project != "" }) {
		cs = append(cs, column[line]{title: "PROJECT", cell: func(b []byte, e *line) []byte {
			return appendService(b, e.row.Project, e.row.Service)
		}, least: 8})
	}
	cs = append(cs, p.usualColumns(v, es, v.listenFacts)...)
	return append(cs, column[line]{title: "COMMAND", cell: p.appendCommand, least: 12, give: 2})
}

// appendCommand appends the command line. On a terminal, where there is little
// room, the program goes without its directory.
func (p *portsText) appendCommand(b []byte, e *line) []byte {
	text := firstProcess(e.row).Command
	if p.width > 0 && strings.HasPrefix(text, "/") {
		program, _, _ := strings.Cut(text, " ")
		text = text[strings.LastIndexByte(program, '/')+1:]
	}
	return appendClean(b, text)
}

// listens reports whether a socket without a peer takes what comes: a TCP socket
// may have a port and not listen.
func listens(r *sockets.Row) bool { return r.State == "listen" || r.Protocol == loopback.UDP }

func (p *portsText) connectionColumns(v *portsView, es []entry) []column[line] {
	cs := []column[line]{
		{title: "CLIENT", cell: func(b []byte, e *line) []byte { return p.appendEnd(b, e, e.flip) }, least: 12},
		{title: "FROM", cell: func(b []byte, e *line) []byte {
			if e.flip {
				return appendAddrPort(b, e.row.Remote)
			}
			return appendAddrPort(b, e.row.Local)
		}, least: 21},
		{title: "→ TO", cell: func(b []byte, e *line) []byte {
			b = append(b, "→ "...)
			if e.flip {
				return appendAddrPort(b, e.row.Local)
			}
			return appendAddrPort(b, e.row.Remote)
		}, least: 23},
		{title: "SERVER", cell: func(b []byte, e *line) []byte { return p.appendEnd(b, e, !e.flip) }, least: 12},
		{title: "STATE", cell: appendConnectionState, least: 11, give: 4},
	}
	for _, c := range scopeColumn(v.connectFacts) {
		c.give = 1
		cs = append(cs, c)
	}
	if p.traffic {
		info := func(f func([]byte, *sockets.TCPInfo) []byte) func([]byte, *line) []byte {
			return func(b []byte, e *line) []byte {
				if e.row.TCP == nil {
					return b
				}
				return f(b, e.row.TCP)
			}
		}
		cs = append(cs,
			column[line]{title: "SENT", cell: info(func(b []byte, t *sockets.TCPInfo) []byte { return appendBytes(b, t.Sent) })},
			column[line]{title: "RECEIVED", cell: info(func(b []byte, t *sockets.TCPInfo) []byte { return appendBytes(b, t.Received) })},
			column[line]{title: "RTT", cell: info(func(b []byte, t *sockets.TCPInfo) []byte { return appendMicros(b, t.RTT) })},
		)
		if v.sample(es, func(e *line) bool { return e.row.TCP != nil && e.row.TCP.Retransmits > 0 }) {
			cs = append(cs, column[line]{title: "RESENT", cell: info(func(b []byte, t *sockets.TCPInfo) []byte {
				return strconv.AppendUint(b, uint64(t.Retransmits), 10)
			})})
		}
	}
	return append(cs, p.usualColumns(v, es, v.connectFacts)...)
}

func (p *portsText) unixColumns(v *portsView, es []entry) []column[line] {
	cs := []column[line]{
		{title: "UNIX", cell: func(b []byte, e *line) []byte { return append(b, e.row.Type...) }},
		{title: "STATE", cell: func(b []byte, e *line) []byte { return append(b, e.row.State...) }},
		{title: "PROCESS", cell: func(b []byte, e *line) []byte { return p.appendEnd(b, e, false) }, least: 14},
		{title: "PEER", cell: func(b []byte, e *line) []byte {
			if e.row.Peer == nil {
				return b
			}
			return p.appendEnd(append(b, "→ "...), e, true)
		}, least: 14},
		{title: "PATH", cell: func(b []byte, e *line) []byte {
			switch {
			case e.row.Path != "":
				return appendClean(b, e.row.Path)
			case e.row.Peer != nil:
				return appendClean(b, e.row.Peer.Path)
			}
			return b
		}, least: 20},
	}
	return append(cs, p.usualColumns(v, es, v.unixFacts)...)
}

// scopeColumn says from where a socket can be reached, if that is not only
// this machine for all.
func scopeColumn(f facts) []column[line] {
	if !f.wide {
		return nil
	}
	return []column[line]{{title: "SCOPE", cell: func(b []byte, e *line) []byte {
		if !wide(e.row.Scope) {
			return b
		}
		return append(b, e.row.Scope...)
	}, paint: func(e *line) string {
		if e.row.Scope == loopback.ScopeAll {
			return "1;33" // bold, yellow: this is what firewalls are for
		}
		return ""
	}}}
}

func wide(s loopback.Scope) bool { return s != loopback.ScopeLoopback && s != "" }

// usualColumns are those that most tables can do without.
func (p *portsText) usualColumns(v *portsView, es []entry, f facts) []column[line] {
	var cs []column[line]
	if f.queued {
		cs = append(cs, column[line]{title: "QUEUED", cell: appendQueue, give: 3})
	}
	if p.age && v.sample(es, func(e *line) bool { return e.row.OpenedAt != nil }) {
		cs = append(cs, column[line]{title: "AGE", cell: func(b []byte, e *line) []byte {
			if e.row.OpenedAt == nil {
				return b
			}
			return append(b, shortDuration(max(p.now.Sub(*e.row.OpenedAt), 0))...)
		}})
	}
	if f.namespace {
		cs = append(cs, column[line]{title: "NAMESPACE", cell: appendNamespace, least: 8})
	}
	return cs
}

func appendNamespace(b []byte, e *line) []byte {
	switch {
	case e.row.Namespace == 0:
		return b
	case e.row.NamespaceName != "":
		return appendClean(b, e.row.NamespaceName)
	}
	return strconv.AppendUint(b, uint64(e.row.Namespace), 10)
}

func appendUser(b []byte, e *line) []byte {
	switch {
	case e.row.User != "":
		return appendClean(b, e.row.User)
	case e.row.UID != nil:
		return strconv.AppendUint(b, uint64(*e.row.UID), 10)
	}
	return append(b, '-')
}

// appendEnd appends who has one end of a connection: the other one than the
// row's own, if asked for.
func (p *portsText) appendEnd(b []byte, e *line, other bool) []byte {
	if !other {
		b = p.appendOwner(b, e.row)
		if e.row.Project == "" {
			return b
		}
		return appendService(append(b, ' '), e.row.Project, e.row.Service)
	}
	q := e.row.Peer
	switch {
	case e.other != nil:
		b = p.appendOwner(b, e.other)
	case q == nil:
		return append(b, '-') // it is on another machine
	default:
		b = p.appendHolders(b, q.Processes, q.Unknown)
	}
	if q == nil || q.Project == "" {
		return b
	}
	return appendService(append(b, ' '), q.Project, q.Service)
}

func appendService(b []byte, project, service string) []byte {
	b = appendClean(b, project)
	if service != "" {
		b = appendClean(append(b, '/'), service)
	}
	return b
}

// appendOwner appends who holds a socket, or held it.
func (p *portsText) appendOwner(b []byte, r *sockets.Row) []byte {
	if len(r.Processes) == 0 && !r.Unknown && r.Closed != nil {
		b = appendClean(append(b, "was "...), r.Closed.Name)
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(r.Closed.PID), 10)
		return append(b, ']')
	}
	return p.appendHolders(b, r.Processes, r.Unknown)
}

// appendHolders appends processes: node[412], and where several hold one
// socket nginx[100,101], or nginx[100 +1] where there is little room.
func (p *portsText) appendHolders(b []byte, ps []*sockets.Process, unknown bool) []byte {
	if len(ps) == 0 {
		if unknown {
			return append(b, '?')
		}
		return append(b, '-')
	}
	name := ""
	for i, q := range ps {
		switch {
		case i > 0 && p.width > 0:
			b = append(b[:len(b)-1], " +"...)
			b = strconv.AppendInt(b, int64(len(ps)-1), 10)
		case i > 0 && q.Name == name:
			b = append(b[:len(b)-1], ',')
			b = strconv.AppendInt(b, int64(q.PID), 10)
		default:
			if i > 0 {
				b = append(b, ',')
			}
			name = q.Name
			b = appendClean(b, name)
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(q.PID), 10)
		}
		b = append(b, ']')
		if i > 0 && p.width > 0 {
			break
		}
	}
	if unknown {
		b = append(b, ",?"...)
	}
	return b
}

func appendConnectionState(b []byte, e *line) []byte {
	if e.row.Protocol == loopback.UDP {
		return append(b, "udp"...)
	}
	b = append(b, e.row.State...)
	if e.other != nil && e.other.State != e.row.State {
		b = append(b, " / "...)
		b = append(b, e.other.State...)
	}
	return b
}

// appendQueue appends what waits: connections for accept, bytes on their way
// to the server and back, or datagrams' bytes that were not read.
func appendQueue(b []byte, e *line) []byte {
	r := e.row
	if r.Backlog != nil {
		if *r.Backlog == 0 {
			return b
		}
		b = strconv.AppendUint(b, uint64(*r.Backlog), 10)
		if r.BacklogLimit != nil {
			b = append(b, '/')
			b = strconv.AppendUint(b, uint64(*r.BacklogLimit), 10)
		} else {
			b = append(b, "/?"...)
		}
		return b
	}
	to, from := known(r.SendQueue), known(r.RecvQueue)
	if e.other != nil {
		to, from = to+known(e.other.RecvQueue), from+known(e.other.SendQueue)
	}
	if e.flip {
		to, from = from, to
	}
	if r.Remote == nil && r.Peer == nil {
		if to+from == 0 {
			return b
		}
		return appendBytes(b, to+from)
	}
	if to > 0 {
		b = appendBytes(append(b, "→ "...), to)
		if from > 0 {
			b = append(b, ' ')
		}
	}
	if from > 0 {
		b = appendBytes(append(b, "← "...), from)
	}
	return b
}

func appendAddrPort(b []byte, a *sockets.Address) []byte {
	switch {
	case a == nil:
		return append(b, '-')
	case a.IP.Is4():
		b = a.IP.AppendTo(b)
	default:
		b = append(b, '[')
		if a.IP.Zone() == "" {
			b = a.IP.AppendTo(b)
		} else {
			b = appendClean(b, a.IP.String())
		}
		b = append(b, ']')
	}
	return strconv.AppendUint(append(b, ':'), uint64(a.Port), 10)
}

// appendBytes appends a size in three digits: 999B, 1.2K, 45M (of 1024).
func appendBytes(b []byte, n uint64) []byte {
	if n < 1000 {
		return append(strconv.AppendUint(b, n, 10), 'B')
	}
	x := float64(n)
	for _, unit := range "KMGTPE" {
		x /= 1024
		if x < 9.95 {
			return append(strconv.AppendFloat(b, x, 'f', 1, 64), byte(unit))
		}
		if x < 999.5 || unit == 'E' {
			return append(strconv.AppendFloat(b, x, 'f', 0, 64), byte(unit))
		}
	}
	return b
}

// appendMicros appends a time given in microseconds in milliseconds.
func appendMicros(b []byte, us uint32) []byte {
	digits := 2
	if us >= 10000 {
		digits = 0
	}
	return append(strconv.AppendFloat(b, float64(us)/1000, 'f', digits, 64), "ms"...)
}
