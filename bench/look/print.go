package main

import (
	"fmt"
	"io"

	"lodge/bench/internal/rounds"
)

func share(s float64) string {
	if s < 0 {
		return ""
	}
	return fmt.Sprintf("%.2f %%", s*100)
}

// print writes the tables for a terminal.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%s\n", r.Machine)
	p := rounds.NewTables(out)
	for _, t := range r.Sizes {
		p.Head("%d TCP sockets of %d processes: time and CPU to those of %s, median (p25..p75) of up to %d rounds", t.Sockets, t.Processes, plainSS, t.Rounds)
		p.Line("", "time", "CPU", "peak MiB", "listed", "attributed", "time, ms")
		for _, row := range t.Rows {
			p.Line(row.Name, rounds.Ratio(row.Wall), rounds.Ratio(row.CPU), rounds.MiB(row.Memory), share(row.Listed), share(row.Right), fmt.Sprintf("%.1f", row.MS))
		}
		p.Missing(t.Missing)
		p.Head("%d sockets: lodge's time to those of peers", t.Sockets)
		for _, row := range t.Rows {
			for _, peer := range []string{ssp, netstatp, lsof, ssPort, lsofPort} {
				if s, ok := row.To[peer]; ok {
					p.Line(row.Name, peer, rounds.Ratio(s))
				}
			}
		}
	}
	if t := r.Top; t != nil {
		p.Head("lodge top, left alone, with its daemon")
		if t.Missing != "" {
			p.Line("lodge top", "- "+t.Missing)
		} else {
			p.Line(fmt.Sprintf("%d sockets, %.0f s", t.Sockets, t.Seconds), fmt.Sprintf("%.2f %% of a processor", t.CPU*100))
		}
	}
	p.Holds(r.Holds)
	return p.Flush()
}
