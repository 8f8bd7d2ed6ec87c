package service

import (
	"maps"
	"slices"
)

// The kinds of warnings of a service; of each there is one at a time.
const (
	warnWatch = "watch"
	warnLinks = "watch: links"
)

// warn sets the warning of a kind; "" takes it back.
func (r *runner) warn(kind, text string) {
	r.mu.Lock()
	same := r.warnings[kind] == text
	if text == "" {
		delete(r.warnings, kind)
	} else {
		if r.warnings == nil {
			r.warnings = make(map[string]string)
		}
		r.warnings[kind] = text
	}
	r.mu.Unlock()
	if !same {
		r.sup.notify()
	}
}

// warned returns the warnings in the order of their kinds; the caller holds r.mu.
func (r *runner) warned() []string {
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(r.warnings)) {
		out = append(out, r.warnings[kind])
	}
	return out
}

// note writes a line of lodge's own into the service's log.
func (r *runner) note(p *process, text string) { p.out.Note("[lodge] " + text) }

// say is note where no process runs.
func (r *runner) say(text string) {
	w := r.sup.logs.Writer(r.name)
	w.Note("[lodge] " + text)
	_ = w.Close() // logs.Store keeps and tells its own errors
}
