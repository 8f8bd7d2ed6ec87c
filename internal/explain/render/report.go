package render

import (
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/input"
	"lodge/internal/explain/rule"
	"lodge/internal/model"
	"lodge/internal/sockets"
)

// Report is the answer. Its JSON is what `lodge explain --json` prints.
type Report struct {
	Input     string          `json:"input"`
	Kind      input.Kind      `json:"kind"`
	Operation input.Operation `json:"operation,omitempty"`
	Error     string          `json:"error,omitempty"`
	Address   *Address        `json:"address,omitempty"`
	Port      *Port           `json:"port,omitempty"`
	// Name is set where the name is one of lodge's.
	Name *facts.Name `json:"lodge_name,omitempty"`
	// Answer is one to three sentences.
	Answer string `json:"answer"`
	// Listeners wait for others on the address; Connections have it at their
	// own end, or at the other one if that is another machine.
	Listeners   []sockets.Row `json:"listeners"`
	Connections []sockets.Row `json:"connections"`
	// Serving are the sockets of the service that lodge hands requests to.
	Serving []sockets.Row   `json:"service_listeners,omitempty"`
	Causes  []model.Finding `json:"causes"`
	// Service is the one of which the answer tells: lodge holds the socket for
	// it, it had the port, or its name was given.
	Service *facts.Kept `json:"service,omitempty"`
	// Unix is set where the path of a Unix socket was asked for.
	Unix *facts.UnixSocket `json:"unix,omitempty"`
	// Also are the other failures of which a message tells.
	Also []Also `json:"also,omitempty"`
	// Ancestors are those of the processes in the rows, nearest first, by pid.
	Ancestors map[int][]facts.Ancestor `json:"ancestors"`
	// Unknown says what could not be found out.
	Unknown []string `json:"unknown,omitempty"`

	// Lines are the evidence as pairs of a label and a text, for people.
	Lines []Line `json:"-"`
	// Hints are what to do.
	Hints []string `json:"-"`

	found []rule.Found
}

// New makes the answer to the question of the facts, with what find finds in them.
func New(f *facts.Facts, find func(*facts.Facts) []rule.Found) *Report {
	r := &Report{
		Input: f.Question.Text, Kind: f.Question.Kind, Operation: f.Question.Operation, Error: f.Question.Errno,
		Address: address(f), Port: port(f), Name: f.Name, Serving: f.Serving, Causes: []model.Finding{}, Unknown: f.Unknown, Service: f.Kept,
		Listeners: []sockets.Row{}, Connections: []sockets.Row{}, Ancestors: make(map[int][]facts.Ancestor),
	}
	r.Unix = f.Unix
	r.found = find(f)
	for _, x := range r.found {
		r.Causes = append(r.Causes, x.Finding)
	}
	for _, o := range f.Others {
		r.Also = append(r.Also, also(New(o, find), o))
	}
	if f.Unix != nil {
		for _, row := range f.UnixListeners() {
			r.Listeners = append(r.Listeners, *row)
		}
	}
	for _, row := range f.Listening() {
		r.Listeners = append(r.Listeners, *row)
	}
	for _, row := range f.Connections() {
		r.Connections = append(r.Connections, *row)
	}
	if len(r.Listeners)+len(r.Connections)+len(r.Serving)+len(f.Elsewhere) == 0 && !f.AboutName() {
		r.Unknown = slices.Compact(slices.Concat(f.Unknown, f.Unseen))
	}
	for pid, p := range f.Processes {
		if len(p.Ancestors) > 0 {
			r.Ancestors[pid] = p.Ancestors
		}
	}
	r.Answer = answer(f, r)
	for i := range r.Also {
		r.Answer += " The message tells of another failure, too: " + r.Also[i].sentence()
	}
	r.Lines = lines(f, r)
	r.Hints = hints(f, r)
	return r
}
