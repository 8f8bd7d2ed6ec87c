// Package eventfilter reads the filter of `lodge events` (docs/reference/filters.md) and tests
// events against it. It joins package event, which knows no language of filters, and
// query/eventquery, which knows no event.
package eventfilter

import (
	"slices"
	"time"

	"lodge/internal/event"
	"lodge/internal/query"
	"lodge/internal/query/eventquery"
)

// Filter selects events. It is for one goroutine at a time.
type Filter struct {
	match   func(eventquery.Event) bool
	sockets bool
}

// Options are what the package does not find out by itself.
type Options struct {
	// Now is the present time, in the zone in which times of the filter are read.
	Now time.Time
	// Nearest returns the one of list that was probably meant by word, or ""; nil
	// suggests nothing.
	Nearest func(word string, list []string) string
}

// Parse reads the words of a filter; none selects every event. The error is a
// [*query.Error].
func Parse(words []string, o Options) (*Filter, error) {
	e, err := query.Parse(words, Schema(o))
	if err != nil {
		return nil, err
	}
	f := &Filter{match: eventquery.Matcher(e), sockets: true}
	if e == nil {
		return f, nil
	}
	if kinds, ok := eventquery.Kinds(e); ok {
		f.sockets = slices.Contains(kinds, string(event.KindSocket))
	} else {
		f.sockets = !eventquery.NamesService(e)
	}
	return f, nil
}

// Schema returns the fields of events, for those who complete or list them.
func Schema(o Options) *query.Schema {
	return eventquery.New(eventquery.Options{Kinds: kinds(), States: states(), Nearest: o.Nearest, Now: o.Now})
}

// Sockets reports whether events of sockets are among those selected. They are left
// out where the filter names kinds and this is none of them, or where it names no
// kind, but a service.
func (f *Filter) Sockets() bool { return f.sockets }

// Match reports whether an event is selected. A loss, and the begin of a stream,
// always is: a filter must not hide that something is missing.
func (f *Filter) Match(e *event.Event) bool {
	switch {
	case e.OfSockets() && !f.sockets:
		return false
	case e.Kind == event.KindLost, e.Kind == event.KindStream:
		return true
	}
	return f.match(row{e})
}

func kinds() []string {
	var out []string
	for _, k := range event.Kinds() {
		out = append(out, string(k))
	}
	return out
}

// states are those of a service, which a word of a filter may mean by itself.
func states() []string {
	return []string{"stopped", "idle", "waiting", "starting", "ready", "stopping", "backoff", "failed", "exited", event.Removed}
}
