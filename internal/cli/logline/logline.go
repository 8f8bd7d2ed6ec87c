// Package logline prints lines of services' logs, each with its service's name in front,
// or as JSON.
package logline

import (
	"bufio"
	"fmt"
	"hash/fnv"
	"io"
	"sync"

	"lodge/internal/cli/kit"
	"lodge/internal/logs"
	"lodge/internal/show"
)

// Output prints many lines with few writes.
type Output struct {
	buf  *bufio.Writer
	line func(logs.Line) error
}

// NewOutput returns an output to standard output. The caller calls Flush at the end.
func NewOutput(k *kit.Kit, asJSON bool) *Output {
	o := &Output{buf: bufio.NewWriterSize(k.Out, 64<<10)}
	if asJSON {
		enc := show.JSONLines(o.buf)
		o.line = func(l logs.Line) error { return enc.Encode(l) }
		return o
	}
	p := NewPrinter(k)
	p.out = o.buf
	o.line = p.Print
	return o
}

// Batch prints lines and flushes: more may be long in coming.
func (o *Output) Batch(ls []logs.Line) error {
	for _, l := range ls {
		if err := o.line(l); err != nil {
			return err
		}
	}
	return o.Flush()
}

// Line prints a line, at the latest when Flush is called.
func (o *Output) Line(l logs.Line) error { return o.line(l) }

// Flush writes what was printed.
func (o *Output) Flush() error { return o.buf.Flush() }

// Printer prints lines of several services, each with its name in front.
type Printer struct {
	out   io.Writer
	color bool

	mu    sync.Mutex // guards what follows, and the order of lines
	width int
	heads map[string]string // what stands before a service's lines
	text  []byte
	state map[string]*show.Sequences // of the line that a service may not have ended
}

// NewPrinter returns a printer to standard output, which writes each line at once.
func NewPrinter(k *kit.Kit) *Printer {
	return &Printer{
		out: k.Out, color: k.WantsColor(k.Env.Stdout), width: 6,
		heads: make(map[string]string), state: make(map[string]*show.Sequences),
	}
}

// Colours that are legible on dark and on light: cyan, yellow, green, magenta,
// blue and their bright forms (ECMA-48, SGR).
var lineColors = [...]show.SGR{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}

// Print prints a line. Several goroutines may call it.
func (p *Printer) Print(l logs.Line) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(l.Service) > p.width {
		p.width = len(l.Service)
		clear(p.heads)
	}
	head, ok := p.heads[l.Service]
	if !ok {
		head = p.head(l.Service)
		p.heads[l.Service] = head
	}
	e := p.state[l.Service]
	if e == nil || !l.Continuation {
		e = &show.Sequences{Colors: true}
	}
	p.text = append(p.text[:0], head...)
	p.text = append(e.Append(p.text, l.Text), '\n')
	switch {
	case l.Partial, e.Pending(): // a line without an end may stop within a sequence, too
		p.state[l.Service] = e
	case !l.Note: // a note stands between the pieces of a line
		delete(p.state, l.Service)
	}
	_, err := p.out.Write(p.text)
	return err
}

func (p *Printer) head(service string) string {
	name := fmt.Sprintf("%-*s |", p.width, service)
	if p.color {
		h := fnv.New32a()
		_, _ = h.Write([]byte(service))
		name = show.Paint(lineColors[h.Sum32()%uint32(len(lineColors))], name)
	}
	return name + " "
}
