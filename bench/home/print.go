package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

func ratio(s spread) string {
	if s.Rounds == 0 {
		return "-"
	}
	digits := 3
	if s.Median >= 10 {
		digits = 1
	}
	return fmt.Sprintf("%.*f (%.*f..%.*f)", digits, s.Median, digits, s.P25, digits, s.P75)
}

func mib(bytes float64) string { return fmt.Sprintf("%.1f", bytes/(1<<20)) }

// print writes the tables for a terminal.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%s\n", r.Machine)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := func(format string, args ...any) {
		_ = w.Flush() // the next table has columns of its own
		fmt.Fprintf(out, "\n"+format+"\n\n", args...)
	}
	line := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }
	rest := func(ms []missing) {
		for _, m := range ms {
			line(m.Name, "- "+m.Why)
		}
	}
	if t := r.Path; t != nil {
		head("Data path: time to plain loopback's, median (p25..p75) of %d rounds; more is slower", t.Rounds)
		line(append([]string{""}, t.Places...)...)
		for _, row := range t.Rows {
			cells := []string{row.Cell}
			for _, p := range t.Places {
				cells = append(cells, ratio(row.Ratios[p]))
			}
			line(cells...)
		}
		_ = w.Flush()
		rest(t.Missing)
	}
	if t := r.Start; t != nil {
		r.printStart(head, line)
		rest(t.Missing)
	}
	if t := r.Memory; t != nil {
		head("Memory of lodge itself, one project, MiB (PSS, RSS in brackets)")
		line("", "daemon", "helper", "keeper")
		for _, m := range t.Rows {
			line(m.What, mib(m.DaemonPSS)+" ("+mib(m.DaemonRSS)+")", mib(m.HelperPSS), mib(m.KeepersPSS)+" ("+mib(m.KeepersRSS)+")")
		}
		rest(t.Missing)
	}
	if len(r.Many) > 0 {
		head("Many projects at once, up -d of all started together; memory in MiB (PSS, RSS in brackets)")
		line("", "all ready after", "all down after", "daemon", "helper", "keepers", "one keeper")
		for _, t := range r.Many {
			name := fmt.Sprintf("home/%s, %d projects of %d services", t.Engine, t.Projects, t.Services)
			if t.Missing != "" {
				line(name, "- "+t.Missing)
				continue
			}
			m := t.Memory
			line(name, fmt.Sprintf("%.1f s", t.Seconds), fmt.Sprintf("%.1f s", t.DownSeconds), mib(m.DaemonPSS)+" ("+mib(m.DaemonRSS)+")", mib(m.HelperPSS),
				mib(m.KeepersPSS), mib(m.KeepersPSS/float64(max(m.Keepers, 1))))
		}
	}
	if t := r.Soak; t != nil {
		head("Soak, home/%s: %.0f s, %d rounds of restart, change of a watched file, up, exec, down", t.Engine, t.Seconds, t.Rounds)
		line("", "first quarter", "last quarter", "")
		for _, g := range t.Rows {
			word := "steady"
			if g.Grows {
				word = "GROWS"
			}
			line(g.What, fmt.Sprintf("%.2f", g.First), fmt.Sprintf("%.2f", g.Last), word)
		}
		for _, l := range t.LeftOver {
			line("left over: " + l)
		}
	}
	head("To hold")
	for _, h := range r.Holds {
		line(h.What, h.Found, h.Verdict)
	}
	return w.Flush()
}

func (r *report) printStart(head func(string, ...any), line func(...string)) {
	t := r.Start
	head("Start: time until all services listen, to the shell loop's, median (p25..p75) of %d rounds;\nbelow it, what is added to the shell loop, ms a service", t.Rounds)
	top := []string{""}
	for _, n := range t.Sizes {
		top = append(top, fmt.Sprintf("%d services", n), "added")
	}
	line(top...)
	for _, row := range t.Rows {
		cells := []string{row.Name}
		for _, c := range row.Cells {
			cells = append(cells, ratio(c.Ratio), fmt.Sprintf("%.2f ms", c.AddedMS))
		}
		line(cells...)
	}
}
