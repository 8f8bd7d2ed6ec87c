package socketquery

import (
	"cmp"
	"net/netip"
	"slices"

	"lodge/internal/loopback"
	"lodge/internal/query"
	"lodge/internal/sockets"
)

// maxEnginePorts is how many ports the engine is told. More are looked for in
// what it returns: a list of thousands would slow the kernel down.
const maxEnginePorts = 64

// Lower adds to a query what of a filter the engine can check, and returns the
// rest, which has to be matched with each row; nil is none. The engine leaves
// out no row that the filter matches.
//
// A part of the filter that the engine checks by itself, exactly, is no part of
// the rest. Of what it cannot, the rest's bounds are added: of `(port=80 and
// process=a) or port=443` the ports 80 and 443.
func Lower(e query.Expr, q sockets.Query) (sockets.Query, query.Expr) {
	if e == nil {
		return q, nil
	}
	needs(e, &q)
	l := lowering{q: &q}
	var rest query.And
	for _, part := range conjunction(e) {
		if !l.exact(part) {
			rest = append(rest, part)
		}
	}
	if len(rest) == 0 {
		return q, nil
	}
	l.bounds(rest)
	if len(q.Filter.Names) == 0 && asks(rest, Process) {
		q.Details = true // else the names of executables are not read
	}
	return q, rest
}

func conjunction(e query.Expr) query.And {
	s := query.Simplify(e)
	if and, ok := s.(query.And); ok {
		return and
	}
	return query.And{s}
}

// needs asks for what rows have only on demand.
func needs(e query.Expr, q *sockets.Query) {
	query.Walk(e, func(t *query.Term, _ bool) {
		switch t.Field.ID {
		case RTT, Sent, Received, Retransmits:
			q.TCPInfo = true
		case Executable, Command, Directory, Parent, Unit, Container:
			q.Details = true
		case Path:
			q.Unix = true
		case Protocol, Family:
			q.Unix = q.Unix || slices.ContainsFunc(t.Values, func(v query.Value) bool { return v.Text == protocolUnix })
		}
	})
}

// Shows reports whether a filter asks for sockets in a state.
func Shows(e query.Expr, state string) bool {
	found := false
	query.Walk(e, func(t *query.Term, negated bool) {
		found = found || !negated && t.Field.ID == State && slices.ContainsFunc(t.Values, func(v query.Value) bool { return v.Text == state })
	})
	return found
}

// Traffic reports whether a filter asks for what a connection has carried.
func Traffic(e query.Expr) bool {
	var q sockets.Query
	needs(e, &q)
	return q.TCPInfo
}

// asks reports whether a filter has a term of a field.
func asks(e query.Expr, field int) bool {
	found := false
	query.Walk(e, func(t *query.Term, _ bool) { found = found || t.Field.ID == field })
	return found
}

// lowering is the state of one Lower.
type lowering struct{ q *sockets.Query }

// exact puts a part of a filter into the query, if the engine checks it just as
// Keep would and no other part has taken its place.
func (l *lowering) exact(part query.Expr) bool {
	terms := query.Or{part}
	if or, ok := part.(query.Or); ok {
		terms = or
	}
	var all []query.Value
	var field *query.Field
	for _, x := range terms {
		t, ok := x.(*query.Term)
		if !ok || field != nil && t.Field.ID != field.ID || !exactly(t) {
			return false
		}
		field = t.Field
		all = append(all, t.Values...)
	}
	if field == nil {
		return false
	}
	f := &l.q.Filter
	switch field.ID {
	case Process:
		return fill(&f.Names, texts(all))
	case PID:
		return fill(&f.PIDs, numbers[int](all))
	case User:
		return fill(&f.Users, numbers[uint32](all))
	case Project:
		return fill(&f.Projects, texts(all))
	case Service:
		return fill(&f.Services, serviceNames(all))
	case Address:
		return set(&f.Addresses, prefixes(all))
	case Scope:
		scopes := make([]loopback.Scope, len(all))
		for i, v := range all {
			scopes[i] = loopback.Scope(v.Text)
		}
		return fill(&f.Scopes, scopes)
	case State:
		return fill(&l.q.States, texts(all))
	case Protocol:
		return l.only(texts(all))
	case Path:
		return fill(&f.Paths, texts(all))
	}
	return false
}

// exactly reports whether a term means the same to the engine.
func exactly(t *query.Term) bool {
	if t.Op != query.Eq && !(t.Op == query.Contains && t.Field.ID == Process) {
		return false
	}
	for _, v := range t.Values {
		switch t.Field.ID {
		case Process:
			if t.Op == query.Eq {
				return false
			}
		case PID, User:
			if v.Low != v.High || v.Low < 0 || v.Low > 1<<32-1 {
				return false
			}
		case Project, Path:
			if v.Text == "" {
				return false
			}
		case Service:
			if v.Text != "" || v.Name == "" {
				return false
			}
		}
	}
	return len(t.Values) > 0
}

// fill sets a list, unless it has something already.
func fill[T cmp.Ordered](to *[]T, list []T) bool {
	return set(to, slices.Compact(slices.Sorted(slices.Values(list))))
}

func set[T any](to *[]T, list []T) bool {
	if len(*to) > 0 || len(list) == 0 {
		return false
	}
	*to = list
	return true
}

func texts(values []query.Value) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = v.Text
	}
	return out
}

func numbers[T int | uint32](values []query.Value) []T {
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = T(v.Low)
	}
	return out
}

func serviceNames(values []query.Value) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = v.Name
	}
	return out
}

func prefixes(values []query.Value) []netip.Prefix {
	var out []netip.Prefix
	for _, v := range values {
		out = append(out, v.Prefixes...)
	}
	return out
}

// bounds adds what the engine may leave out by the rest of a filter.
func (l *lowering) bounds(rest query.Expr) {
	f := &l.q.Filter
	if ports, ok := query.Bound(rest, portsOf); ok {
		ports = slices.Compact(slices.Sorted(slices.Values(ports)))
		if len(ports) <= maxEnginePorts {
			set(&f.Ports, ports)
		}
	}
	if as, ok := query.Bound(rest, func(t *query.Term) ([]netip.Prefix, bool) {
		ok := t.Op == query.Eq && (t.Field.ID == Address || t.Field.ID == Local || t.Field.ID == Remote)
		return prefixes(t.Values), ok
	}); ok && len(as) <= maxEnginePorts {
		set(&f.Addresses, as)
	}
	exact := func(id int) func(t *query.Term) ([]query.Value, bool) {
		return func(t *query.Term) ([]query.Value, bool) { return t.Values, t.Field.ID == id && exactly(t) }
	}
	if vs, ok := query.Bound(rest, exact(State)); ok {
		fill(&l.q.States, texts(vs))
	}
	if vs, ok := query.Bound(rest, exact(PID)); ok {
		fill(&f.PIDs, numbers[int](vs))
	}
	if vs, ok := query.Bound(rest, exact(User)); ok {
		fill(&f.Users, numbers[uint32](vs))
	}
	if vs, ok := query.Bound(rest, func(t *query.Term) ([]string, bool) {
		// What is the name also has it in it.
		ok := t.Field.ID == Process && (t.Op == query.Eq || t.Op == query.Contains)
		return texts(t.Values), ok && !slices.ContainsFunc(t.Values, func(v query.Value) bool { return v.Text == "" })
	}); ok {
		fill(&f.Names, vs)
	}
	l.protocols(rest)
	l.projects(rest)
}

// protocols bounds the protocols. Unix sockets, which are read on demand only,
// are not asked for by what asks for others not.
func (l *lowering) protocols(rest query.Expr) {
	list, ok := query.Bound(rest, func(t *query.Term) ([]string, bool) {
		switch {
		case t.Field.ID == Protocol:
			return texts(t.Values), t.Op == query.Eq
		case t.Field.ID == Path && t.Op == query.Eq && exactly(t):
			return []string{protocolUnix}, true
		}
		return nil, false
	})
	if !ok {
		return
	}
	if !l.q.Unix {
		list = slices.DeleteFunc(list, func(p string) bool { return p == protocolUnix })
	}
	l.only(list)
}

// only sets the protocols. Unix sockets are then read where they are one of them,
// and not whatever the protocols are.
func (l *lowering) only(protocols []string) bool {
	if !fill(&l.q.Protocols, protocols) {
		return false
	}
	l.q.Unix = false
	return true
}

// projects bounds projects and services.
func (l *lowering) projects(rest query.Expr) {
	f := &l.q.Filter
	if list, ok := query.Bound(rest, func(t *query.Term) ([]string, bool) {
		ok := t.Op == query.Eq && (t.Field.ID == Project || t.Field.ID == Service)
		// Of a service without its project Text is empty, too.
		return texts(t.Values), ok && !slices.ContainsFunc(t.Values, func(v query.Value) bool { return v.Text == "" })
	}); ok {
		fill(&f.Projects, list)
	}
	if list, ok := query.Bound(rest, func(t *query.Term) ([]string, bool) {
		return serviceNames(t.Values), t.Op == query.Eq && t.Field.ID == Service
	}); ok {
		fill(&f.Services, list)
	}
}

// portsOf returns the ports that a term asks for, if they are few.
func portsOf(t *query.Term) ([]uint16, bool) {
	if t.Op != query.Eq {
		return nil, false
	}
	switch t.Field.ID {
	case Port, LocalPort, RemotePort, At:
	default:
		return nil, false
	}
	var out []uint16
	for _, v := range t.Values {
		if v.High-v.Low >= maxEnginePorts || len(out) > maxEnginePorts {
			return nil, false
		}
		for p := max(v.Low, 0); p <= min(v.High, 65535); p++ {
			out = append(out, uint16(p))
		}
	}
	return out, true
}
