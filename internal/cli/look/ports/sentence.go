package ports

import (
	"lodge/internal/show"
	"lodge/internal/sockets"
)

// appendSentence appends an entry as one line that stands alone, for changes,
// whose columns are not known in advance:
//
//	node[412] shop/web 127.0.0.1:51514 → 127.0.0.1:5432 postgres[398] shop/db established
//	tcp 127.0.0.1:5432 listen postgres[398] shop/db
func (p *tableText) appendSentence(b []byte, e *line) []byte {
	r := e.row
	switch {
	case r.Protocol == protocolUnix:
		b = append(append(append(append(b, "unix "...), r.Type...), ' '), r.State...)
		b = p.appendEnd(append(b, ' '), e, false)
		if r.Path != "" {
			b = show.AppendEscaped(append(b, ' '), r.Path)
		}
		if r.Peer != nil {
			b = p.appendEnd(append(b, " → "...), e, true)
			if r.Path == "" && r.Peer.Path != "" {
				b = show.AppendEscaped(append(b, ' '), r.Peer.Path)
			}
		}
	case r.Remote == nil:
		b = append(append(b, r.Protocol...), ' ')
		b = append(appendAddrPort(b, r.Local), ' ')
		b = append(append(b, r.State...), ' ')
		b = p.appendEnd(b, e, false)
	default:
		from, to := r.Local, r.Remote
		if e.flip {
			from, to = to, from
		}
		b = append(p.appendEnd(b, e, e.flip), ' ')
		b = append(appendAddrPort(b, from), " → "...)
		b = append(appendAddrPort(b, to), ' ')
		b = append(p.appendEnd(b, e, !e.flip), ' ')
		b = appendConnectionState(b, e)
	}
	if wide(r.Scope) {
		b = append(append(b, ' '), r.Scope...)
	}
	return b
}

// appendWas appends what of a socket was different before.
func (p *tableText) appendWas(b []byte, before, after *sockets.Row) []byte {
	if before.State != after.State {
		b = append(append(b, ", was "...), before.State...)
	}
	old, now := p.appendOwner(nil, before), p.appendOwner(nil, after)
	if string(old) != string(now) {
		b = append(append(b, ", was held by "...), old...)
	}
	return b
}
