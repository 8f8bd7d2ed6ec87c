package tui

import (
	"fmt"
	"strings"

	"lodge/internal/show"
	"lodge/internal/tui/screen"
)

// filter is what the lists are filtered by; the zero value is no filter.
type filter struct {
	text  string
	match Match
}

// parseFilter returns the filter of a text.
func parseFilter(text string, parse func(string) (Match, error)) (filter, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return filter{}, nil
	}
	if parse == nil {
		return filter{}, fmt.Errorf("filter by %q: there are no filters here", text)
	}
	m, err := parse(text)
	if err != nil {
		return filter{}, err
	}
	return filter{text: text, match: m}, nil
}

// filterPrompt asks for the filter. The lists follow while it is typed, as far as
// the text can be parsed.
type filterPrompt struct {
	input  *screen.Input
	parse  func(string) (Match, error)
	before filter
	// wrong is why the text cannot be parsed.
	wrong string
}

func newFilterPrompt(now filter, parse func(string) (Match, error)) *filterPrompt {
	return &filterPrompt{input: screen.NewInput(now.text), parse: parse, before: now}
}

func (p *filterPrompt) key(k string) reply {
	switch k {
	case "esc", "ctrl+c":
		return reply{done: true, filter: &p.before}
	case "enter":
		return reply{done: p.wrong == ""}
	}
	if !p.input.Key(k) {
		return reply{}
	}
	return p.changed()
}

// changed parses the text.
func (p *filterPrompt) changed() reply {
	p.wrong = ""
	f, err := parseFilter(p.input.Text(), p.parse)
	if err != nil {
		p.wrong = show.OneLine(err.Error())
		return reply{}
	}
	return reply{filter: &f}
}

// paste takes pasted text; control characters are left out.
func (p *filterPrompt) paste(s string) reply {
	for _, r := range s {
		if r >= ' ' && r != 0x7f {
			p.input.Key(string(r))
		}
	}
	return p.changed()
}

func (p *filterPrompt) line(f format) screen.Line {
	l := screen.Line{screen.Bold.Span("filter: "), screen.Plain.Span(f.clean(p.input.Text())), screen.Reverse.Span("_")}
	if p.wrong != "" {
		l = append(l, screen.Bad.Span("  "+f.clean(p.wrong)))
	} else if p.input.Text() == "" {
		l = append(l, screen.Dim.Span("  a port, an address, a process, project/service"))
	}
	return l
}
