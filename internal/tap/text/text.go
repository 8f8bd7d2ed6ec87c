// Package text prints records of package tap for people: one line each, and with
// details below it.
package text

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/show"
	"lodge/internal/tap"
)

// Printer prints records. The first error of its writer ends it.
type Printer struct {
	Out   io.Writer
	Color bool
	// Width cuts lines at so many columns, 0 not at all.
	Width int
	// Verbose prints headers, details and bodies below each line.
	Verbose bool
	// Today is the day for which the date is left out.
	Today time.Time

	buf []byte // of the last line, to use it again
	// noted has what was said last to be unknown on a connection: it is not said again.
	noted map[uint64]string
}

// maxNoted bounds noted.
const maxNoted = 4096

// note returns what is unknown of a record, if its connection's last record did not say so.
func (p *Printer) note(r *tap.Record) string {
	if r.Exchange == nil || len(r.Exchange.Unknown) == 0 {
		return ""
	}
	text := short(strings.Join(r.Exchange.Unknown, "; "))
	if p.noted[r.Connection] == text {
		return ""
	}
	if p.noted == nil || len(p.noted) >= maxNoted {
		p.noted = make(map[uint64]string)
	}
	p.noted[r.Connection] = text
	return "(" + text + ")"
}

// Record prints a record.
func (p *Printer) Record(r *tap.Record) error {
	parts := partsOf(r, p.Today, p.note(r))
	parts.buf = p.buf
	line := parts.line(p.Width)
	p.buf = parts.buf
	if p.Color && failed(r) {
		line = show.Paint(show.Red, line)
	}
	line += "\n"
	if p.Verbose {
		var b strings.Builder
		b.WriteString(line)
		p.details(&b, r)
		line = b.String()
	}
	if _, err := io.WriteString(p.Out, line); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func failed(r *tap.Record) bool {
	return r.Failure != "" || r.Exchange.Failed
}

// endName is an end as it is called: its service, its process, its address.
func endName(e *tap.End, port bool) string {
	name := ""
	switch {
	case e.Service != "":
		name = e.Project + "/" + e.Service
	case e.Known():
		name = e.Processes[0].Name
		if e.Project != "" {
			name = e.Project + "/" + name
		}
	case e.Container != "":
		name = e.Container
	}
	switch {
	case name == "":
		return e.At()
	case port && !e.Address.IsValid():
		return name + " " + e.At()
	case port:
		return name + ":" + strconv.Itoa(int(e.Address.Port())) + behind(e)
	}
	return name
}

// behind is what is behind a proxy of published ports.
func behind(e *tap.End) string {
	b := e.Behind
	if b == nil {
		return ""
	}
	name := b.Address.String()
	if len(b.Processes) > 0 {
		name = b.Processes[0].Name + ":" + strconv.Itoa(int(b.Address.Port()))
	}
	if b.Container != "" {
		name += " (" + b.Container + ")"
	}
	return " → " + name
}

// maxShort bounds each part of a line, in bytes.
const maxShort = 200

func short(s string) string {
	if !isOneLine(s) {
		s = show.OneLine(s)
	}
	return show.Short(s, maxShort)
}

// isOneLine reports whether [show.OneLine] does not change an ASCII text.
func isOneLine(s string) bool {
	blank := true
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c >= utf8.RuneSelf || c == ' ' && blank {
			return false
		}
		blank = c == ' '
	}
	return !blank || s == ""
}

// request is what was asked: the method and the target, once where the target, as
// a statement does, begins with the method.
func request(x *decode.Exchange) string {
	target := short(x.Target)
	switch {
	case target == "":
		return x.Method
	case x.Method == "" || beginsWith(target, x.Method):
		return target
	}
	return x.Method + " " + target
}

func beginsWith(s, word string) bool {
	return len(s) >= len(word) && strings.EqualFold(s[:len(word)], word)
}
