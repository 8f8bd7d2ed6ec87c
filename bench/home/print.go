package main

import (
	"fmt"
	"io"

	"lodge/bench/internal/rounds"
)

// print writes the tables for a terminal.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%s\n", r.Machine)
	p := rounds.NewTables(out)
	head, line, rest := p.Head, p.Line, p.Missing
	if t := r.Path; t != nil {
		head("Data path: time to plain loopback's, median (p25..p75) of %d rounds; more is slower", t.Rounds)
		line(append([]string{""}, t.Places...)...)
		for _, row := range t.Rows {
			cells := []string{row.Cell}
			for _, p := range t.Places {
				cells = append(cells, rounds.Ratio(row.Ratios[p]))
			}
			line(cells...)
		}
		_ = p.Flush()
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
			line(m.What, rounds.MiB(m.DaemonPSS)+" ("+rounds.MiB(m.DaemonRSS)+")", rounds.MiB(m.HelperPSS), rounds.MiB(m.KeepersPSS)+" ("+rounds.MiB(m.KeepersRSS)+")")
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
			line(name, fmt.Sprintf("%.1f s", t.Seconds), fmt.Sprintf("%.1f s", t.DownSeconds), rounds.MiB(m.DaemonPSS)+" ("+rounds.MiB(m.DaemonRSS)+")", rounds.MiB(m.HelperPSS),
				rounds.MiB(m.KeepersPSS), rounds.MiB(m.KeepersPSS/float64(max(m.Keepers, 1))))
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
	p.Holds(r.Holds)
	return p.Flush()
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
			cells = append(cells, rounds.Ratio(c.Ratio), fmt.Sprintf("%.2f ms", c.AddedMS))
		}
		line(cells...)
	}
}
