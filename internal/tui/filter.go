package tui

import (
	"fmt"
	"strings"

	"lodge/internal/show"
)

// filter is what the lists are filtered by.
type filter struct {
	text  string
	match Match
}

// set reads another filter; one that cannot be read changes nothing.
func (f *filter) set(text string, parse func(string) (Match, error)) error {
	text = strings.TrimSpace(text)
	if text == "" {
		*f = filter{}
		return nil
	}
	if parse == nil {
		return fmt.Errorf("filter by %q: there are no filters here", text)
	}
	m, err := parse(text)
	if err != nil {
		return err
	}
	*f = filter{text: text, match: m}
	return nil
}

// filterPrompt asks for the filter. The list follows while it is typed, as far
// as what is typed can be read.
type filterPrompt struct {
	input  input
	before filter
	// wrong is why what is typed cannot be read.
	wrong string
}

func (u *ui) askFilter() {
	u.prompt = &filterPrompt{input: newInput(u.filter.text), before: u.filter}
}

func (p *filterPrompt) key(u *ui, k string) []effect {
	switch k {
	case "esc", "ctrl+c":
		u.filter = p.before
		u.prompt = nil
		u.refilter()
		return nil
	case "enter":
		if p.wrong != "" {
			return nil // it stands below the line, to be mended
		}
		u.prompt = nil
		return nil
	}
	if p.input.key(k) {
		p.wrong = ""
		if err := u.filter.set(p.input.text(), u.opt.ParseFilter); err != nil {
			p.wrong = show.OneLine(err.Error())
		}
		u.refilter()
	}
	return nil
}

func (p *filterPrompt) paste(u *ui, s string) {
	for _, r := range s {
		if r >= ' ' && r != 0x7f {
			p.key(u, string(r))
		}
	}
}

func (p *filterPrompt) show(u *ui) line {
	l := line{{"filter: ", bold}, {show.Clean(p.input.text(), u.opt.ASCII), plain}, {"_", reverse}}
	if p.wrong != "" {
		l = append(l, span{"  " + show.Clean(p.wrong, u.opt.ASCII), bad})
	} else if p.input.text() == "" {
		l = append(l, span{"  a port, an address, a process, project/service", dim})
	}
	return l
}

// refilter shows the lists anew after the filter changed.
func (u *ui) refilter() {
	u.forgetWidths()
	u.redigest()
}
