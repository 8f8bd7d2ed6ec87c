package ports

import (
	"strconv"
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/show"
	"lodge/internal/sockets"
)

// appendCommand appends the command line. On a terminal, where there is little
// room, the program goes without its directory.
func (p *tableText) appendCommand(b []byte, e *line) []byte {
	text := firstProcess(e.row).Command
	if p.width > 0 && strings.HasPrefix(text, "/") {
		program, _, _ := strings.Cut(text, " ")
		text = text[strings.LastIndexByte(program, '/')+1:]
	}
	return show.AppendEscaped(b, text)
}

// listens reports whether a socket without a peer takes what comes: a TCP socket
// may have a port and not listen.
func listens(r *sockets.Row) bool { return r.State == "listen" || r.Protocol == loopback.UDP }

func wide(s loopback.Scope) bool { return s != loopback.ScopeLoopback && s != "" }

func appendNamespace(b []byte, e *line) []byte {
	switch {
	case e.row.Namespace == 0:
		return b
	case e.row.NamespaceName != "":
		return show.AppendEscaped(b, e.row.NamespaceName)
	}
	return strconv.AppendUint(b, uint64(e.row.Namespace), 10)
}

func appendUser(b []byte, e *line) []byte {
	switch {
	case e.row.User != "":
		return show.AppendEscaped(b, e.row.User)
	case e.row.UID != nil:
		return strconv.AppendUint(b, uint64(*e.row.UID), 10)
	}
	return append(b, '-')
}

// appendEnd appends the processes at one end of a connection: the other one than the
// row's own, if asked for.
func (p *tableText) appendEnd(b []byte, e *line, other bool) []byte {
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
	b = show.AppendEscaped(b, project)
	if service != "" {
		b = show.AppendEscaped(append(b, '/'), service)
	}
	return b
}

// appendOwner appends the processes that hold a socket, or held it.
func (p *tableText) appendOwner(b []byte, r *sockets.Row) []byte {
	if len(r.Processes) == 0 && !r.Unknown && r.Closed != nil {
		b = show.AppendEscaped(append(b, "was "...), r.Closed.Name)
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(r.Closed.PID), 10)
		return append(b, ']')
	}
	return p.appendHolders(b, r.Processes, r.Unknown)
}

// appendHolders appends processes: node[412], and where several hold one
// socket nginx[100,101], or nginx[100 +1] where there is little room.
func (p *tableText) appendHolders(b []byte, ps []*sockets.Process, unknown bool) []byte {
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
			b = show.AppendEscaped(b, name)
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
		return show.AppendBytes(b, float64(to+from))
	}
	if to > 0 {
		b = show.AppendBytes(append(b, "→ "...), float64(to))
		if from > 0 {
			b = append(b, ' ')
		}
	}
	if from > 0 {
		b = show.AppendBytes(append(b, "← "...), float64(from))
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
			b = show.AppendEscaped(b, a.IP.String())
		}
		b = append(b, ']')
	}
	return strconv.AppendUint(append(b, ':'), uint64(a.Port), 10)
}
