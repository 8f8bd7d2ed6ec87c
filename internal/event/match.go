package event

import (
	"fmt"
	"slices"
	"strings"
)

// Match returns a function that reports whether an event is one of those that the
// words of a filter mean. Every word must match: a bare word is a project, a
// service, PROJECT/SERVICE, a kind, a state or a host name; KEY=VALUE compares one
// field, and several values are separated by commas. Events of the kinds lost and
// stream always match: a filter must not hide that something is missing.
//
// The keys are kind, project, service, state (the new one), from, change, host
// and pid.
func Match(words []string) (func(Event) bool, error) {
	var tests []func(*Event) bool
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok {
			tests = append(tests, func(e *Event) bool { return e.mentions(w) })
			continue
		}
		if !slices.Contains(matchKeys(), key) {
			return nil, fmt.Errorf("read filter %q: there is no key %q (there are: %s)", w, key, strings.Join(matchKeys(), ", "))
		}
		values := strings.Split(value, ",")
		if key == "kind" {
			for _, v := range values {
				if !slices.Contains(Kinds(), Kind(v)) {
					return nil, fmt.Errorf("read filter %q: there is no kind %q", w, v)
				}
			}
		}
		tests = append(tests, func(e *Event) bool {
			return slices.ContainsFunc(e.field(key), func(f string) bool { return slices.Contains(values, f) })
		})
	}
	return func(e Event) bool {
		if e.Kind == KindLost || e.Kind == KindStream {
			return true
		}
		for _, t := range tests {
			if !t(&e) {
				return false
			}
		}
		return true
	}, nil
}

func matchKeys() []string {
	return []string{"kind", "project", "service", "state", "from", "change", "host", "pid"}
}

// mentions reports whether a bare word of a filter means the event.
func (e *Event) mentions(word string) bool {
	if e.Subject.Service != "" && word == e.Subject.Project+"/"+e.Subject.Service {
		return true
	}
	for _, key := range []string{"kind", "project", "service", "state", "host"} {
		if slices.Contains(e.field(key), word) {
			return true
		}
	}
	return false
}

// field returns the values that an event has for a key of a filter.
func (e *Event) field(key string) []string {
	var out []string
	switch key {
	case "kind":
		out = []string{string(e.Kind)}
	case "project":
		out = []string{e.Subject.Project, e.Subject.ProjectID}
	case "service":
		out = []string{e.Subject.Service}
	case "state":
		if e.Service != nil {
			out = []string{e.Service.To}
		}
	case "from":
		if e.Service != nil {
			out = []string{e.Service.From}
		}
	case "change":
		switch {
		case e.Service != nil:
			out = []string{e.Service.Change}
		case e.Name != nil:
			out = []string{e.Name.Change}
		case e.Project != nil:
			out = []string{e.Project.Change}
		}
	case "host":
		if e.Name != nil {
			out = []string{e.Name.Host}
		}
	case "pid":
		if e.Service != nil {
			out = []string{fmt.Sprint(e.Service.PID)}
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" && key != "from" })
}
