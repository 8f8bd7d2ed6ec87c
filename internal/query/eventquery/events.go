// Package eventquery is the filter of events: its fields in the language of
// package query, and how an event is matched. It knows an event by the
// interface Event only.
package eventquery

import (
	"net/netip"
	"slices"
	"time"

	"lodge/internal/query"
)

// Event is what a filter asks an event for.
type Event interface {
	// Number counts events; Time is when it happened.
	Number() uint64
	Time() time.Time
	// Kind, Source, Project and Service are "" where there is none.
	Kind() string
	Source() string
	Project() string
	Service() string
	// Text returns the nth text that the event has for one of State, Name, From,
	// Change and ProjectID, and Int the nth number for one of PID, Exit and Port,
	// counted from 0; false where there are no more.
	Text(f Field, n int) (string, bool)
	Int(f Field, n int) (int64, bool)
}

// Field is a field of a payload.
type Field int

// The fields of payloads. Name is that of a process, a host or a socket, as the
// event has it; Exit is an exit status. From is the state before. ProjectID is the
// project's id, which stands for its name wherever that is asked for.
const (
	State Field = iota + 1
	Name
	PID
	Exit
	Port
	From
	Change
	ProjectID
)

// Fields of every event.
const (
	number = iota + 100
	moment
	kind
	source
	project
	service
	word
)

// Options are what the package does not find out by itself.
type Options struct {
	// Kinds are the words of the kind, which are the ones to suggest from; none
	// takes every text.
	Kinds []string
	// States are words that mean a state where they stand alone.
	States []string
	// Service and Nearest are those of query.Schema, Now the present time in the
	// zone in which times are read.
	Service func(name string) (uint16, bool)
	Nearest func(word string, list []string) string
	Now     time.Time
}

// New returns the schema. A plain word is PROJECT/SERVICE, or else a kind, or a
// state, or a part of the name of a project, a service, a process or a host.
func New(o Options) *query.Schema {
	s := &query.Schema{Service: o.Service, Nearest: o.Nearest, Now: o.Now}
	kinds := query.Field{ID: kind, Name: "kind", Aliases: []string{"type"}, Type: query.Text, Help: "kind of event"}
	if len(o.Kinds) > 0 {
		kinds.Type, kinds.Words = query.Choice, o.Kinds
	}
	s.Fields = []query.Field{
		kinds,
		{ID: number, Name: "number", Aliases: []string{"seq"}, Type: query.Number, Help: "number of the event"},
		{ID: moment, Name: "time", Type: query.Time, Help: "when it happened"},
		{ID: source, Name: "source", Type: query.Text, Help: "what told it"},
		{ID: project, Name: "project", Type: query.Text, Help: "project"},
		{ID: service, Name: "service", Type: query.Pair, Covers: "project", Help: "service, or PROJECT/SERVICE"},
		{ID: int(State), Name: "state", Type: query.Text, Help: "state of a service or a socket"},
		{ID: int(From), Name: "from", Type: query.Text, Help: "state before"},
		{ID: int(Change), Name: "change", Type: query.Text, Help: "what changed"},
		{ID: int(PID), Name: "pid", Type: query.Number, Spaced: true, Help: "process id"},
		{ID: int(Exit), Name: "exit", Type: query.Number, Help: "exit status"},
		{ID: int(Name), Name: "name", Aliases: []string{"host"}, Type: query.Text, Help: "name of a process or a host"},
		{ID: int(Port), Name: "port", Type: query.Port, Spaced: true, Help: "port"},
		{ID: word, Type: query.Text, Group: "word"},
	}
	s.Word = func(text string, quoted bool) ([]*query.Term, error) { return plainWord(s, &o, text, quoted) }
	return s
}

func plainWord(s *query.Schema, o *Options, text string, quoted bool) ([]*query.Term, error) {
	if text == "" {
		return nil, query.NewError(text, "it is empty", "a service, PROJECT/SERVICE, or a kind of event")
	}
	term := func(id int, op query.Op, v query.Value) []*query.Term {
		return []*query.Term{{Field: s.ByID(id), Op: op, Values: []query.Value{v}, Text: text, Bare: true}}
	}
	if !quoted {
		if w, _ := query.Choose(text, o.Kinds, nil, nil); w != "" {
			return term(kind, query.Eq, query.Value{Text: w}), nil
		}
		if slices.Contains(o.States, text) {
			return term(int(State), query.Eq, query.Value{Text: text}), nil
		}
		if vs, err := s.ReadValue(s.ByID(service), text); err == nil && vs[0].Text != "" {
			return term(service, query.Eq, vs[0]), nil
		}
	}
	return term(word, query.Contains, query.Fold(text)), nil
}

// Matcher returns a function that reports whether an event is selected; it
// allocates nothing and is for one goroutine at a time.
func Matcher(e query.Expr) func(Event) bool {
	if e == nil {
		return func(Event) bool { return true }
	}
	m, r := query.Compile(e), &row{}
	return func(e Event) bool {
		r.Event = e
		return m.Match(r)
	}
}

// row is an event as query.Row.
type row struct{ Event }

// Text is part of query.Row.
func (r *row) Text(field, n int) (string, bool) {
	switch field {
	case int(State), int(Name), int(From), int(Change):
		return r.Event.Text(Field(field), n)
	case word:
		switch n {
		case 0:
			return r.Project(), true
		case 1:
			return r.Service(), true
		}
		return r.Event.Text(Name, n-2)
	case project:
		if n == 1 {
			return r.Event.Text(ProjectID, 0)
		}
	}
	if n > 0 {
		return "", false
	}
	switch field {
	case kind:
		return r.Kind(), true
	case source:
		return r.Source(), true
	}
	return r.Project(), true
}

// Number is part of query.Row.
func (r *row) Number(field, n int) (int64, bool) {
	switch field {
	case number:
		return int64(r.Event.Number()), n == 0
	case moment:
		return r.Time().UnixNano(), n == 0
	}
	return r.Int(Field(field), n)
}

// Pair is part of query.Row.
func (r *row) Pair(_, n int) (owner, name string, ok bool) {
	if n == 0 {
		return r.Project(), r.Service(), true
	}
	id, ok := r.Event.Text(ProjectID, 0)
	return id, r.Service(), n == 1 && ok
}

// Kinds returns the kinds of which a matching event has one; false where it may have
// any.
func Kinds(e query.Expr) ([]string, bool) {
	return query.Bound(e, func(t *query.Term) ([]string, bool) {
		if t.Field.ID != kind || t.Op != query.Eq {
			return nil, false
		}
		var out []string
		for _, v := range t.Values {
			out = append(out, v.Text)
		}
		return out, true
	})
}

// NamesService reports whether each matching event has a service that the filter
// names, or a name of which it has a plain word.
func NamesService(e query.Expr) bool {
	_, ok := query.Bound(e, func(t *query.Term) ([]struct{}, bool) {
		return nil, t.Field.ID == service || t.Field.ID == word
	})
	return ok
}

// Address is part of query.Row; no field has addresses.
func (r *row) Address(int, int) (netip.Addr, bool) { return netip.Addr{}, false }

// Endpoint is part of query.Row; no field has them.
func (r *row) Endpoint(int, int) (at netip.AddrPort, any, ok bool) {
	return netip.AddrPort{}, false, false
}
