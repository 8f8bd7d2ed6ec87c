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
}

// Record prints a record.
func (p *Printer) Record(r *tap.Record) error {
	line := show.CleanLine(p.line(r), false)
	if p.Width > 0 {
		line = cut(line, p.Width)
	}
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

// cut shortens a line to so many characters.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	n := 0
	for i := range s {
		if n == width-1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

func failed(r *tap.Record) bool {
	return r.Failure != "" || r.Exchange.Failed
}

// line is a record in one line: time, protocol, client and server, what was asked
// and answered, how long it took and how much it was.
func (p *Printer) line(r *tap.Record) string {
	at := r.Time.Local()
	layout := "15:04:05.000"
	if y, m, d := at.Date(); y != p.Today.Year() || m != p.Today.Month() || d != p.Today.Day() {
		layout = "2006-01-02 15:04:05.000"
	}
	protocol := r.Transport.String()
	if x := r.Exchange; x != nil {
		protocol = x.Protocol
		if x.Secure {
			protocol += "+tls"
		}
	}
	return fmt.Sprintf("%s  %-10s  %-36s  %s", at.Format(layout), protocol, ends(r), what(r))
}

// ends names both ends, with the arrow in the direction of the request or of the
// message.
func ends(r *tap.Record) string {
	arrow := "→"
	if x := r.Exchange; x != nil && x.Kind == decode.KindMessage && x.From == decode.Server {
		arrow = "←"
	}
	return endName(&r.Client, false) + " " + arrow + " " + endName(&r.Server, true)
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
		return name + ":" + strconv.Itoa(int(e.Address.Port()))
	}
	return name
}

// what is the request, the answer, the time and the size.
func what(r *tap.Record) string {
	x := r.Exchange
	if x == nil {
		return "connect  " + string(r.Failure)
	}
	parts := []string{request(x)}
	switch {
	case x.Kind == decode.KindMessage:
	case x.Status != "":
		parts = append(parts, short(x.Status))
	case !x.Response.Seen():
		parts = append(parts, "no answer")
	}
	if d, ok := r.Latency(); ok && x.Kind != decode.KindMessage {
		parts = append(parts, show.Latency(float64(d)/float64(time.Microsecond)))
	}
	parts = append(parts, show.Bytes(float64(r.Bytes())))
	if x.Begun {
		parts = append(parts, "(goes on)")
	}
	if len(x.Unknown) > 0 {
		parts = append(parts, "("+short(strings.Join(x.Unknown, "; "))+")")
	}
	return strings.Join(parts, "  ")
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
