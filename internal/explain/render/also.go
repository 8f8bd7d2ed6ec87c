package render

import (
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/input"
)

// Also is another failure of which a message tells, with its own answer.
type Also struct {
	Error     string          `json:"error,omitempty"`
	Operation input.Operation `json:"operation,omitempty"`
	Name      string          `json:"name,omitempty"`
	IP        string          `json:"ip,omitempty"`
	Port      uint16          `json:"port,omitempty"`
	Path      string          `json:"path,omitempty"`
	Answer    string          `json:"answer"`
}

// also is the answer r of facts about another failure.
func also(r *Report, f *facts.Facts) Also {
	a := Also{
		Error: f.Question.Errno, Operation: f.Question.Operation, Name: f.Question.Name, Port: f.Question.Port, Path: f.Question.Unix,
	}
	if len(f.Question.IPs) > 0 {
		a.IP = f.Question.IPs[0].String()
	}
	a.Answer = r.Answer
	return a
}

// sentence tells it in one or two sentences.
func (a *Also) sentence() string {
	head := strings.TrimSpace(string(a.Operation) + " " + a.Error)
	if head == "" {
		return a.Answer
	}
	return head + ": " + a.Answer
}
