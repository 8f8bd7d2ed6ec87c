package diff

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"lodge/internal/show"
	"lodge/internal/tap/text"
)

// WriteText prints a report for people, as a text that is also Markdown: what was lost
// first, then the differences, the most important first.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, s := range []struct {
		mark string
		*Side
	}{{"A", &r.A}, {"B", &r.B}} {
		s.write(&b, s.mark)
	}
	for i := range r.Again {
		r.Again[i].write(&b, "A again")
	}
	b.WriteByte('\n')
	if !r.Complete {
		b.WriteString("**This comparison is not complete:** what is missing below may have been lost, and not gone.\n\n")
	}
	for i := range r.Findings {
		r.Findings[i].write(&b)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "- and %s more\n", show.Count(r.More, "difference", "differences"))
	}
	if r.Different {
		b.WriteByte('\n')
	}
	pairs := show.Count(r.Pairs, "exchange", "exchanges") + " in " + show.Count(r.Groups, "kind", "kinds") + " of requests"
	if n := len(r.Findings) + r.More; n > 0 {
		fmt.Fprintf(&b, "%s; %s compared", show.Count(n, "difference", "differences"), pairs)
	} else {
		fmt.Fprintf(&b, "No difference; %s compared", pairs)
	}
	if r.NotCompared > 0 {
		fmt.Fprintf(&b, ", %d known too little to be compared", r.NotCompared)
	}
	if n := len(r.Volatile); n > 0 {
		fmt.Fprintf(&b, "; %s from run to run left out", show.Count(n, "thing that differs", "things that differ"))
	}
	b.WriteString(".\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (s *Side) write(b *strings.Builder, mark string) {
	line := mark + ": " + s.Name + ", " + show.Count(int(s.Exchanges), "exchange", "exchanges")
	if s.Failures > 0 {
		line += ", " + show.Count(int(s.Failures), "failed connection", "failed connections")
	}
	lost := s.Notes
	if s.Account != nil {
		lines := text.Account(s.Account)
		if len(lines) == 1 && len(lost) == 0 {
			line += "; nothing lost"
		}
		lost = append(lines[1:len(lines):len(lines)], lost...)
	}
	fmt.Fprintf(b, "- %s\n", show.CleanLine(line, false))
	for _, l := range lost {
		fmt.Fprintf(b, "  - %s\n", show.CleanLine(l, false))
	}
}

// String is the group in a line.
func (g *Group) String() string {
	asked := g.Target
	if g.Method != "" && !beginsWith(g.Target, g.Method) {
		asked = strings.TrimSpace(g.Method + " " + g.Target)
	}
	return show.Legible(g.Server) + " " + show.Legible(g.Protocol) + " " + code(asked)
}

func beginsWith(s, word string) bool {
	return len(s) >= len(word) && strings.EqualFold(s[:len(word)], word)
}

// maxShown bounds a value in the text.
const maxShown = 160

// code is a value as Markdown's code.
func code(s string) string {
	s = show.CleanLine(show.OneLine(s), false)
	if r := []rune(s); len(r) > maxShown {
		s = string(r[:maxShown-1]) + "…"
	}
	return "`" + strings.ReplaceAll(s, "`", "'") + "`"
}

func (f *Finding) write(b *strings.Builder) {
	var what string
	switch f.Kind {
	case KindError:
		what = "**new error** " + f.Group.String()
		if f.Pairs > 0 {
			what += ": " + f.values()
		} else {
			what += fmt.Sprintf(": %s ×%d%s", code(f.B), f.Changed, f.counts())
		}
	case KindMissing:
		what = "**missing** " + f.Group.String() + fmt.Sprintf(" ×%d", f.CountA)
	case KindAdded:
		what = "**added** " + f.Group.String() + fmt.Sprintf(" ×%d", f.CountB)
	case KindCount:
		what = "**count** " + f.Group.String() + fmt.Sprintf(" ×%d, was ×%d", f.CountB, f.CountA)
	case KindServer:
		what = "**server** " + show.Legible(f.Server) + ": " + code(f.B) + ", was " + code(f.A)
	case KindLatency:
		what = "**latency** " + f.Group.String() + ": median " + show.Latency(f.LatencyB) + ", was " + show.Latency(f.LatencyA) +
			fmt.Sprintf(" (%d and %d)", f.CountB, f.CountA)
	default:
		what = "**" + f.where() + "** " + f.Group.String() + ": " + f.values()
	}
	b.WriteString("- " + what + f.within())
	if f.Repeated {
		b.WriteString(" (N+1)")
	}
	b.WriteString(f.numbers() + "\n")
	for i := range f.With {
		if i == maxListed {
			fmt.Fprintf(b, "  - and %d more kinds of requests that it causes\n", len(f.With)-i)
			break
		}
		fmt.Fprintf(b, "  - it causes %s ×%d\n", f.With[i].Group.String(), f.With[i].Count)
	}
	for i := range f.Also {
		if i == maxListed {
			fmt.Fprintf(b, "  - and in %d more kinds of requests\n", len(f.Also)-i)
			break
		}
		fmt.Fprintf(b, "  - and in %s\n", f.Also[i].String())
	}
}

// maxListed bounds the lines below a finding.
const maxListed = 5

// where names the part of a finding.
func (f *Finding) where() string {
	switch f.Part {
	case PartTarget:
		return "request"
	case PartDetail:
		if isParameter(f.Name) {
			return "parameter"
		}
	}
	if f.Kind == KindSize {
		return "size of " + strings.ReplaceAll(string(f.Part), "_", " ")
	}
	return strings.ReplaceAll(string(f.Part), "_", " ")
}

// values are the name and both values, with how often.
func (f *Finding) values() string {
	name := ""
	if f.Name != "" && f.Kind != KindSize && f.Part != PartStatus {
		name = code(f.Name) + " "
	}
	a, b := code(f.A), code(f.B)
	if f.Part == PartStatus {
		if f.A == "" {
			a = "no answer"
		}
		if f.B == "" {
			b = "no answer"
		}
	}
	var out string
	switch f.Change {
	case "added":
		out = name + "added" + value(f.B, b)
	case "removed":
		out = name + "removed" + value(f.A, a)
	case "length":
		out = name + f.B + " elements, was " + f.A
	case "order":
		out = name + "in another order"
	case "lines":
		switch {
		case f.LinesRemoved == 0:
			out = show.Count(f.LinesAdded, "line", "lines") + " added, first " + b
		case f.LinesAdded == 0:
			out = show.Count(f.LinesRemoved, "line", "lines") + " removed, first " + a
		default:
			out = show.Count(f.LinesAdded, "line", "lines") + " for " + strconv.Itoa(f.LinesRemoved) + ", first " + b + ", was " + a
		}
	default:
		out = name + b + ", was " + a
	}
	if f.Varied {
		out += ", and other values"
	}
	if f.Place != "" && f.Place != f.Name {
		out += ", first at " + code(f.Place)
	}
	out += fmt.Sprintf(" (%d of %d", f.Changed, f.Pairs)
	if f.Values > f.Changed {
		out += fmt.Sprintf(", %d places", f.Values)
	}
	return out + ")"
}

func value(raw, shown string) string {
	if raw == "" {
		return ""
	}
	return ": " + shown
}

func (f *Finding) counts() string {
	if f.CountA == 0 {
		return ""
	}
	return fmt.Sprintf(", in all ×%d, was ×%d", f.CountB, f.CountA)
}

func (f *Finding) within() string {
	w := f.Within
	if w == nil {
		return ""
	}
	per := fmt.Sprintf("×%d, was ×%d, ", w.PerB, w.PerA)
	switch {
	case f.CountA == 0:
		per = fmt.Sprintf("×%d ", w.PerB)
	case f.CountB == 0:
		per = fmt.Sprintf("×%d ", w.PerA)
	}
	if w.Requests > 1 {
		if max(w.PerA, w.PerB)*w.Requests != max(f.CountA, f.CountB) {
			per = "up to " + per
		}
		return "; " + per + fmt.Sprintf("within each of %d ", w.Requests) + w.Group.String()
	}
	if w.PerA == f.CountA && w.PerB == f.CountB {
		return ", within one " + w.Group.String()
	}
	return "; " + per + "within one " + w.Group.String()
}

// numbers are those of the records.
func (f *Finding) numbers() string {
	list := func(mark string, numbers []uint64) string {
		if len(numbers) == 0 {
			return ""
		}
		return " " + mark + strings.Trim(fmt.Sprint(numbers), "[]")
	}
	out := list("A#", f.NumbersA) + list("B#", f.NumbersB)
	if out == "" {
		return ""
	}
	return " [" + out[1:] + "]"
}
