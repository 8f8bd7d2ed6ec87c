package rounds

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Ratio writes a spread of ratios: 0.983 (0.971..1.002).
func Ratio(s Spread) string {
	if s.Rounds == 0 {
		return "-"
	}
	digits := 3
	if s.Median >= 10 {
		digits = 1
	}
	return fmt.Sprintf("%.*f (%.*f..%.*f)", digits, s.Median, digits, s.P25, digits, s.P75)
}

// MiB writes bytes in MiB.
func MiB(bytes float64) string { return fmt.Sprintf("%.1f", bytes/(1<<20)) }

// Tables prints tables, each with columns of its own.
type Tables struct {
	out io.Writer
	w   *tabwriter.Writer
}

// NewTables returns a printer to out. Flush ends the last table.
func NewTables(out io.Writer) *Tables {
	return &Tables{out: out, w: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
}

// Head begins a table.
func (t *Tables) Head(format string, args ...any) {
	_ = t.w.Flush() // the next table has columns of its own; Flush tells errors again
	fmt.Fprintf(t.out, "\n"+format+"\n\n", args...)
}

// Line adds a line of cells.
func (t *Tables) Line(cells ...string) { fmt.Fprintln(t.w, strings.Join(cells, "\t")) }

// Missing adds the rows that could not be measured.
func (t *Tables) Missing(ms []Missing) {
	for _, m := range ms {
		t.Line(m.Name, "- "+m.Why)
	}
}

// Holds prints the list of what must hold.
func (t *Tables) Holds(hs []Held) {
	t.Head("To hold")
	for _, h := range hs {
		t.Line(h.What, h.Found, h.Verdict)
	}
}

// Flush prints what is left.
func (t *Tables) Flush() error { return t.w.Flush() }
