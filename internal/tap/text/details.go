package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/show"
	"lodge/internal/tap"
)

// details prints what a line has no place for.
func (p *Printer) details(b *strings.Builder, r *tap.Record) {
	end(b, "client", &r.Client)
	end(b, "server", &r.Server)
	x := r.Exchange
	if x == nil {
		b.WriteByte('\n')
		return
	}
	if len(x.Target) > maxShort {
		block(b, "asked", x.Target)
	}
	if len(x.Status) > maxShort {
		block(b, "answer", x.Status)
	}
	if x.Host != "" {
		field(b, "host", x.Host)
	}
	for _, d := range x.Details {
		field(b, d.Name, d.Value)
	}
	for _, u := range x.Unknown {
		field(b, "unknown", u)
	}
	if x.Kind == decode.KindMessage && x.From == decode.Server {
		message(b, "<", &x.Request)
	} else {
		message(b, ">", &x.Request)
	}
	message(b, "<", &x.Response)
	b.WriteByte('\n')
}

func end(b *strings.Builder, name string, e *tap.End) {
	text := e.At()
	for i := range e.Processes {
		q := &e.Processes[i]
		text += fmt.Sprintf(", process %d", q.PID)
		switch {
		case q.Command != "":
			text += " " + q.Command
		case q.Name != "":
			text += " " + q.Name
		}
	}
	if !e.Known() {
		text += ", process not known"
	} else if e.Source == tap.SourceListener {
		text += " (listens there)"
	}
	field(b, name, text)
}

func field(b *strings.Builder, name, value string) {
	fmt.Fprintf(b, "    %-10s %s\n", show.Legible(name), show.Legible(value))
}

// block prints a text of several lines.
func block(b *strings.Builder, name, text string) {
	for line := range strings.Lines(text) {
		field(b, name, strings.TrimRight(line, "\r\n"))
		name = ""
	}
}

// message prints a header and a body, each line with a mark of its direction.
func message(b *strings.Builder, mark string, m *decode.Message) {
	for _, h := range m.Header {
		fmt.Fprintf(b, "    %s %s: %s\n", mark, show.Legible(h.Name), show.Legible(h.Value))
	}
	if len(m.Body) > 0 && isText(m.Body) {
		for line := range strings.Lines(string(m.Body)) {
			fmt.Fprintf(b, "    %s %s\n", mark, show.Legible(strings.TrimRight(line, "\r\n")))
		}
	}
	switch {
	case len(m.Body) > 0 && !isText(m.Body):
		fmt.Fprintf(b, "    %s (%s, not text)\n", mark, show.ByteCount(float64(m.BodyBytes)))
	case m.Truncated:
		fmt.Fprintf(b, "    %s (%s in all)\n", mark, show.ByteCount(float64(m.BodyBytes)))
	}
	for _, h := range m.Trailer {
		fmt.Fprintf(b, "    %s %s: %s\n", mark, show.Legible(h.Name), show.Legible(h.Value))
	}
	if m.Incomplete && m.Seen() {
		fmt.Fprintf(b, "    %s (its end was not seen)\n", mark)
	}
}

// isText reports whether a body can be printed.
func isText(b []byte) bool {
	s := b[:min(len(b), 4096)]
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 {
			return len(s) < utf8.UTFMax && len(b) > 4096 // cut within a character
		}
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return false
		}
		s = s[n:]
	}
	return true
}
