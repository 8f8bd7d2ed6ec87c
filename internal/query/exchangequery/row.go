package exchangequery

import (
	"net/netip"

	"lodge/internal/query"
)

// row is an exchange as package query asks it.
type row struct{ Exchange }

var _ query.Row = (*row)(nil)

// inWord are the fields in which a plain word is looked for.
var inWord = [...]Field{Target, Method, Host, Answer, Process, Client, Server, Protocol, Socket}

func (r *row) Text(field, n int) (string, bool) {
	switch field {
	case project:
		p, _, ok := r.Service(n)
		return p, ok
	case word:
		for _, f := range inWord {
			for i := 0; ; i++ {
				s, ok := r.Exchange.Text(f, i)
				if !ok {
					break
				}
				if n == 0 {
					return s, true
				}
				n--
			}
		}
		return "", false
	}
	return r.Exchange.Text(Field(field), n)
}

func (r *row) Number(field, n int) (int64, bool) {
	if field == moment {
		return r.Time().UnixNano(), n == 0
	}
	return r.Int(Field(field), n)
}

func (r *row) Pair(_, n int) (owner, name string, ok bool) { return r.Service(n) }

func (r *row) Address(_, n int) (netip.Addr, bool) { return r.Exchange.Address(n) }

// Endpoint returns the address and the port of the nth end that has them.
func (r *row) Endpoint(_, n int) (at netip.AddrPort, any, ok bool) {
	for i := 0; i < bothEnds; i++ {
		ip, ok := r.Exchange.Address(i)
		port, has := r.Int(Port, i)
		if !ok || !has {
			continue
		}
		if n == 0 {
			return netip.AddrPortFrom(ip.Unmap().WithZone(""), uint16(port)), false, true
		}
		n--
	}
	return netip.AddrPort{}, false, false
}

// bothEnds is how many ends an exchange has.
const bothEnds = 2
