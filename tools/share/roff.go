package main

import (
	"bytes"
	"strings"
)

// page writes a manual page with the macros of man(7). It names no date: the same
// sources make the same bytes.
type page struct{ out bytes.Buffer }

func (p *page) bytes() []byte { return p.out.Bytes() }

// line writes a line as it is.
func (p *page) line(s string) { p.out.WriteString(s + "\n") }

func (p *page) title(name, section, version string) {
	p.line(`.TH "` + escape(strings.ToUpper(name)) + `" "` + section + `" "" "lodge ` + escape(version) + `" "lodge"`)
	p.line(".nh\n.ad l") // no hyphens in what is copied
}

func (p *page) section(name string) { p.line(".SH " + escape(strings.ToUpper(name))) }

// text writes a sentence, which roff fills into lines.
func (p *page) text(s string) { p.line(escape(s)) }

// item writes a tag, which is roff, and the text that hangs on it.
func (p *page) item(tag, s string) {
	p.line(".TP\n" + tag)
	p.text(s)
}

// literal writes lines that keep their form.
func (p *page) literal(lines []string) {
	p.line(".PP\n.nf")
	for _, l := range lines {
		p.text(strings.TrimRight(l, " "))
	}
	p.line(".fi")
}

// paragraphs writes the long text of a command: paragraphs, and lines that are
// indented and keep their form.
func (p *page) paragraphs(s string) {
	for i, par := range strings.Split(strings.Trim(s, "\n"), "\n\n") {
		lines := strings.Split(par, "\n")
		if strings.HasPrefix(lines[0], " ") {
			p.literal(lines)
			continue
		}
		if i > 0 {
			p.line(".PP")
		}
		for _, l := range lines {
			if strings.HasPrefix(l, " ") {
				p.line(".br")
			}
			p.text(l)
		}
	}
}

var special = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `^`, `\(ha`, `~`, `\(ti`, "`", `\(ga`, `'`, `\(aq`, `"`, `\(dq`)

// escape returns text of which roff interprets nothing (groff_char(7)).
func escape(s string) string {
	s = special.Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
