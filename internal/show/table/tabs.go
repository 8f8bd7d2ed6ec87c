package table

import (
	"bytes"
	"io"
	"strings"
)

// Tabs lays out text whose cells end with tabs, as text/tabwriter does, but in
// columns of a terminal and not in characters: a column is a run of lines that have
// a cell there, and what stands after the last tab of a line is in no column. It
// writes when it is flushed.
type Tabs struct {
	out   io.Writer
	right bool
	text  bytes.Buffer
}

// NewTabs returns a writer of columns that are aligned left.
func NewTabs(out io.Writer) *Tabs { return &Tabs{out: out} }

// NewTabsRight returns a writer of columns that are aligned right.
func NewTabsRight(out io.Writer) *Tabs { return &Tabs{out: out, right: true} }

// Write collects text.
func (t *Tabs) Write(p []byte) (int, error) { return t.text.Write(p) }

// Flush writes what was collected.
func (t *Tabs) Flush() error {
	var lines [][]string
	for l := range strings.Lines(t.text.String()) {
		lines = append(lines, strings.Split(strings.TrimSuffix(l, "\n"), "\t"))
	}
	t.text.Reset()
	var out bytes.Buffer
	t.format(&out, lines, nil)
	_, err := t.out.Write(out.Bytes())
	return err
}

// format writes lines that all have the columns of widths.
func (t *Tabs) format(out *bytes.Buffer, lines [][]string, widths []int) {
	for column := len(widths); len(lines) > 0; {
		n, w := 0, 0
		for n < len(lines) && len(lines[n])-1 > column {
			w = max(w, Width(lines[n][column]))
			n++
		}
		if n > 0 {
			t.format(out, lines[:n], append(widths[:column:column], w+Gap))
		} else {
			t.line(out, lines[0], widths)
			n = 1
		}
		lines = lines[n:]
	}
}

func (t *Tabs) line(out *bytes.Buffer, cells []string, widths []int) {
	for i, c := range cells {
		pad := ""
		if i < len(widths) {
			pad = strings.Repeat(" ", widths[i]-Width(c))
		}
		if t.right {
			out.WriteString(pad + c)
		} else {
			out.WriteString(c + pad)
		}
	}
	out.WriteByte('\n')
}
