package ports

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/show"
	"lodge/internal/show/table"
	"lodge/internal/sockets"
)

// line is an entry with its rows made.
type line struct {
	row   *sockets.Row
	other *sockets.Row // the other end's, nil if it is not in the table
	flip  bool
}

// tableText prints a table of sockets for people.
type tableText struct {
	width   int // of the terminal; 0 is none, and nothing is shortened
	color   bool
	header  bool
	traffic bool // the columns of tcp_info
	age     bool
	now     time.Time
	view    viewOptions
}

// print writes what listens, then the connections, then Unix sockets.
func (p *tableText) print(w io.Writer, v *view) error {
	written := false
	sections := []struct {
		entries []entry
		columns func(*view, []entry) []table.Column[line]
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
		t := table.Table[line]{Columns: s.columns(v, s.entries), Width: p.width, Color: p.color, Header: p.header}
		if err := t.Print(w, len(s.entries), v.maker(s.entries)); err != nil {
			return err
		}
	}
	if v.timeWait > 0 {
		if written {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "%s in TIME_WAIT: lodge ports --state time_wait\n", show.Count(v.timeWait, "closed connection", "closed connections")); err != nil {
			return err
		}
	}
	return nil
}

// maker returns the function that makes the lines of entries, each valid until
// the next.
func (v *view) maker(es []entry) func(int) *line {
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
func (v *view) sample(es []entry, has func(*line) bool) bool {
	make := v.maker(es)
	for i := range min(len(es), table.Sample) {
		if has(make(i)) {
			return true
		}
	}
	return false
}

func (p *tableText) listenerColumns(v *view, es []entry) []table.Column[line] {
	cs := []table.Column[line]{
		{Title: "PROTO", Cell: func(b []byte, e *line) []byte { return append(b, e.row.Protocol...) }},
		{Title: "LISTENS ON", Cell: func(b []byte, e *line) []byte { return appendAddrPort(b, e.row.Local) }, Least: 21},
	}
	if v.listenFacts.notListening {
		cs = append(cs, table.Column[line]{Title: "STATE", Cell: func(b []byte, e *line) []byte {
			if listens(e.row) {
				return b
			}
			return append(b, e.row.State...)
		}})
	}
	cs = append(cs, scopeColumn(v.listenFacts)...)
	cs = append(cs,
		table.Column[line]{Title: "PROCESS", Cell: func(b []byte, e *line) []byte { return p.appendOwner(b, e.row) }, Least: 14},
		table.Column[line]{Title: "USER", Cell: appendUser, Least: 6, Drop: 4},
	)
	if v.sample(es, func(e *line) bool { return e.row.Project != "" }) {
		cs = append(cs, table.Column[line]{Title: "PROJECT", Cell: func(b []byte, e *line) []byte {
			return appendService(b, e.row.Project, e.row.Service)
		}, Least: 8})
	}
	cs = append(cs, p.usualColumns(v, es, v.listenFacts)...)
	return append(cs, table.Column[line]{Title: "COMMAND", Cell: p.appendCommand, Least: 12, Drop: 3})
}

func (p *tableText) connectionColumns(v *view, es []entry) []table.Column[line] {
	cs := []table.Column[line]{
		{Title: "CLIENT", Cell: func(b []byte, e *line) []byte { return p.appendEnd(b, e, e.flip) }, Least: 12},
		{Title: "FROM", Cell: func(b []byte, e *line) []byte {
			if e.flip {
				return appendAddrPort(b, e.row.Remote)
			}
			return appendAddrPort(b, e.row.Local)
		}, Least: 21},
		{Title: "→ TO", Cell: func(b []byte, e *line) []byte {
			b = append(b, "→ "...)
			if e.flip {
				return appendAddrPort(b, e.row.Local)
			}
			return appendAddrPort(b, e.row.Remote)
		}, Least: 23},
		{Title: "SERVER", Cell: func(b []byte, e *line) []byte { return p.appendEnd(b, e, !e.flip) }, Least: 12},
		{Title: "STATE", Cell: appendConnectionState, Least: 11, Drop: 1},
	}
	for _, c := range scopeColumn(v.connectFacts) {
		c.Drop = 4
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
			table.Column[line]{Title: "SENT", Cell: info(func(b []byte, t *sockets.TCPInfo) []byte { return show.AppendBytes(b, float64(t.Sent)) })},
			table.Column[line]{Title: "RECEIVED", Cell: info(func(b []byte, t *sockets.TCPInfo) []byte { return show.AppendBytes(b, float64(t.Received)) })},
			table.Column[line]{Title: "RTT", Cell: info(func(b []byte, t *sockets.TCPInfo) []byte { return show.AppendMicros(b, t.RTT) })},
		)
		if v.sample(es, func(e *line) bool { return e.row.TCP != nil && e.row.TCP.Retransmits > 0 }) {
			cs = append(cs, table.Column[line]{Title: "RESENT", Cell: info(func(b []byte, t *sockets.TCPInfo) []byte {
				return strconv.AppendUint(b, uint64(t.Retransmits), 10)
			})})
		}
	}
	return append(cs, p.usualColumns(v, es, v.connectFacts)...)
}

func (p *tableText) unixColumns(v *view, es []entry) []table.Column[line] {
	cs := []table.Column[line]{
		{Title: "UNIX", Cell: func(b []byte, e *line) []byte { return append(b, e.row.Type...) }},
		{Title: "STATE", Cell: func(b []byte, e *line) []byte { return append(b, e.row.State...) }},
		{Title: "PROCESS", Cell: func(b []byte, e *line) []byte { return p.appendEnd(b, e, false) }, Least: 14},
		{Title: "PEER", Cell: func(b []byte, e *line) []byte {
			if e.row.Peer == nil {
				return b
			}
			return p.appendEnd(append(b, "→ "...), e, true)
		}, Least: 14},
		{Title: "PATH", Cell: func(b []byte, e *line) []byte {
			switch {
			case e.row.Path != "":
				return show.AppendEscaped(b, e.row.Path)
			case e.row.Peer != nil:
				return show.AppendEscaped(b, e.row.Peer.Path)
			}
			return b
		}, Least: 20},
	}
	return append(cs, p.usualColumns(v, es, v.unixFacts)...)
}

// scopeColumn says from where a socket can be reached, if that is not only
// this machine for all.
func scopeColumn(f facts) []table.Column[line] {
	if !f.wide {
		return nil
	}
	return []table.Column[line]{{Title: "SCOPE", Cell: func(b []byte, e *line) []byte {
		if !wide(e.row.Scope) {
			return b
		}
		return append(b, e.row.Scope...)
	}, Paint: func(e *line) show.SGR {
		if e.row.Scope == loopback.ScopeAll {
			return show.BoldYellow // this is what firewalls are for
		}
		return ""
	}}}
}

// usualColumns are those that most tables can do without.
func (p *tableText) usualColumns(v *view, es []entry, f facts) []table.Column[line] {
	var cs []table.Column[line]
	if f.queued {
		cs = append(cs, table.Column[line]{Title: "QUEUED", Cell: appendQueue, Drop: 2})
	}
	if p.age && v.sample(es, func(e *line) bool { return e.row.OpenedAt != nil }) {
		cs = append(cs, table.Column[line]{Title: "AGE", Cell: func(b []byte, e *line) []byte {
			if e.row.OpenedAt == nil {
				return b
			}
			return append(b, show.Age(p.now.Sub(*e.row.OpenedAt))...)
		}})
	}
	if f.namespace {
		cs = append(cs, table.Column[line]{Title: "NAMESPACE", Cell: appendNamespace, Least: 8})
	}
	return cs
}
