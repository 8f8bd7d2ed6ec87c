// Package text prints records of package tap for people: one line each, and with
// details below it.
package text

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

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
}

// Record prints a record.
func (p *Printer) Record(r *tap.Record) error {
	line := p.line(r)
	if p.Color && failed(r) {
		line = show.Paint(show.Red, line)
	}
	var b strings.Builder
	b.WriteString(line)
	b.WriteByte('\n')
	if p.Verbose {
		p.details(&b, r)
	}
	if _, err := io.WriteString(p.Out, b.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func failed(r *tap.Record) bool {
	return r.Failure != "" || r.Exchange.Failed
}

// line is a record in one line: time, protocol, client and server, what was asked
// and answered, how long it took and how much it was.
func (p *Printer) line(r *tap.Record) string {
	parts := partsOf(r, p.Today)
	return parts.line(p.Width)
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
	at := ":" + strconv.Itoa(int(e.Address.Port()))
	switch {
	case name == "":
		return net.JoinHostPort(e.Address.Addr().String(), at[1:])
	case port:
		return name + at
	}
	return name
}

// maxShort bounds each part of a line, in bytes.
const maxShort = 200

func short(s string) string {
	s = show.OneLine(s)
	if len(s) <= maxShort {
		return s
	}
	return strings.ToValidUTF8(s[:maxShort], "") + "…"
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
