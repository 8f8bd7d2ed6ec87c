package model

import (
	"encoding/json"
	"slices"
)

// Operation is what fails: connect or bind. It is "" where neither is meant.
type Operation string

// The operations that fail.
const (
	Connect Operation = "connect"
	Bind    Operation = "bind"
)

// Code names what was found. Programs compare it: it never changes.
type Code string

// Finding is one result of a rule, with what shows it and what to do.
type Finding struct {
	Code Code
	// Operation is what fails because of it.
	Operation Operation
	// Sure is false where the evidence is good but something could not be seen.
	Sure bool
	// Summary is one sentence, or two.
	Summary string
	// Evidence shows it, the strongest first.
	Evidence []Evidence
	// Hint is what to do, without "hint:" and without a period; "" for nothing.
	Hint string
	// PIDs are the processes that would have to end for the finding to go away.
	PIDs []int

	// Order sorts the findings of one group of rules, such as by the address that
	// they are about. It is not part of the JSON.
	Order int
}

// Texts returns the evidence as sentences.
func (f *Finding) Texts() []string {
	out := make([]string, 0, len(f.Evidence))
	for i := range f.Evidence {
		out = append(out, f.Evidence[i].Text)
	}
	return out
}

// findingJSON is the JSON of a finding. Its evidence is there twice: as
// sentences, and typed.
type findingJSON struct {
	Code      Code       `json:"code"`
	Operation Operation  `json:"operation"`
	Sure      bool       `json:"sure"`
	Summary   string     `json:"summary"`
	Evidence  []string   `json:"evidence"`
	Items     []Evidence `json:"evidence_items"`
	Hint      string     `json:"hint,omitempty"`
	PIDs      []int      `json:"pids,omitempty"`
}

// MarshalJSON writes the evidence as sentences (evidence) and typed
// (evidence_items); item i belongs to sentence i.
func (f Finding) MarshalJSON() ([]byte, error) {
	items := f.Evidence
	if items == nil {
		items = []Evidence{}
	}
	return json.Marshal(findingJSON{f.Code, f.Operation, f.Sure, f.Summary, f.Texts(), items, f.Hint, f.PIDs})
}

// UnmarshalJSON reads what [Finding.MarshalJSON] writes. Sentences without items,
// as of an older program, become evidence of no kind.
func (f *Finding) UnmarshalJSON(b []byte) error {
	var j findingJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*f = Finding{Code: j.Code, Operation: j.Operation, Sure: j.Sure, Summary: j.Summary, Evidence: j.Items, Hint: j.Hint, PIDs: j.PIDs}
	if len(j.Items) == 0 {
		f.Evidence = Facts(j.Evidence...)
	}
	return nil
}

// Distinct returns the findings without those that repeat the code and the summary
// of an earlier one.
func Distinct(in []Finding) []Finding {
	var out []Finding
	for _, x := range in {
		if !slices.ContainsFunc(out, func(o Finding) bool { return o.Code == x.Code && o.Summary == x.Summary }) {
			out = append(out, x)
		}
	}
	return out
}
