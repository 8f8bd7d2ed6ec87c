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
	for _, t := range append(r.HTTP1, r.HTTP2...) {
		p.Head("%s: to direct requests, median (p25..p75) of %d rounds; CPU of the proxy for a request to nginx's", t.Cell, t.Rounds)
		p.Line("", "requests/s", "p50", "p99", "CPU", "CPU, us", "requests/s", "errors")
		for _, row := range t.Rows {
			cpu := fmt.Sprintf("%.1f", row.CPUMicros)
			if row.Name == directName {
				cpu = "-"
			}
			p.Line(row.Name, rounds.Ratio(row.Share), rounds.Ratio(row.P50), rounds.Ratio(row.P99), rounds.Ratio(row.CPU), cpu, fmt.Sprintf("%.0f", row.PerSecond), fmt.Sprintf("%.0f", row.Errors))
		}
	}
	if len(r.Memory) > 0 {
		p.Head("Memory of the proxies at the end of http1, MiB")
		p.Line("", "PSS", "peak")
		for _, m := range r.Memory {
			p.Line(m.Name+", "+m.Scheme, rounds.MiB(m.PSS), rounds.MiB(m.Peak))
		}
	}
	if t := r.Page; t != nil {
		p.Head("A page of %d modules, nothing cached by the client: time to that of direct requests over HTTP/1, median (p25..p75) of %d rounds", t.Modules, t.Rounds)
		p.Line("server", "road", "how", "time", "ms")
		for _, row := range t.Rows {
			p.Line(row.Server, row.Name, row.How, rounds.Ratio(row.Ratio), fmt.Sprintf("%.0f", row.MS))
		}
		_ = p.Flush() // the last Flush tells errors
		p.Missing(t.Missing)
	}
	if t := r.TCP; t != nil {
		p.Head("TCP by name, from outside of the home: time to plain loopback's, median (p25..p75) of %d rounds; more is slower", t.Rounds)
		p.Line(append([]string{""}, t.Places...)...)
		for _, row := range t.Rows {
			cells := []string{row.Cell}
			for _, place := range t.Places {
				cells = append(cells, rounds.Ratio(row.Ratios[place]))
			}
			p.Line(cells...)
		}
		_ = p.Flush() // the last Flush tells errors
		p.Missing(t.Missing)
	}
	if t := r.Start; t != nil {
		p.Head("Until the first answer, ms, median (p25..p75) of %d rounds", t.Rounds)
		p.Line("", "from listen", "from the start of the command")
		for _, row := range t.Rows {
			p.Line(row.Name, rounds.Ratio(row.ListenToAMS), rounds.Ratio(row.RunToAMS))
		}
	}
	if t := r.WebSockets; t != nil {
		p.Head("%d idle WebSockets: memory of the proxy, MiB", t.Sockets)
		p.Line("", "before, PSS", "idle, PSS", "peak", "KiB each")
		for _, row := range t.Rows {
			each := (row.Idle.PSS - row.Before.PSS) / float64(max(t.Sockets, 1)) / 1024
			p.Line(row.Name+", "+row.Scheme, rounds.MiB(row.Before.PSS), rounds.MiB(row.Idle.PSS), rounds.MiB(row.Idle.Peak), fmt.Sprintf("%.1f", each))
		}
		_ = p.Flush() // the last Flush tells errors
		p.Missing(t.Missing)
	}
	if len(r.Missing) > 0 {
		p.Head("Not measured")
		p.Missing(r.Missing)
	}
	p.Holds(r.Holds)
	return p.Flush()
}
