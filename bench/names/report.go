package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// report is all that a run found, and what -json prints.
type report struct {
	Load    []*loadTable  `json:"load,omitempty"`
	Page    *pageTable    `json:"page,omitempty"`
	Sockets *socketsTable `json:"sockets,omitempty"`
	First   *firstTable   `json:"first,omitempty"`
	Missing []missing     `json:"missing,omitempty"`
	Holds   []held        `json:"holds"`
}

// missing is what could not be measured here.
type missing struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

func (r *report) miss(name, why string) {
	for _, m := range r.Missing {
		if m.Name == name {
			return
		}
	}
	r.Missing = append(r.Missing, missing{name, why})
}

// loadTable has the requests a second of each contender in each cell.
type loadTable struct {
	Title  string    `json:"title"`
	Base   string    `json:"base"`
	Names  []string  `json:"names"`
	Rounds int       `json:"rounds"`
	Rows   []loadRow `json:"rows"`
}

type loadRow struct {
	Cell string                `json:"cell"`
	By   map[string]*loadValue `json:"by"`
	got  map[string][]sample
}

// loadValue is one contender in one cell. Rate is to the base of the same
// round; P99 and CPU are to lodge's: more is worse.
type loadValue struct {
	Rate spread  `json:"rate"`
	P99  spread  `json:"p99_to_lodge"`
	CPU  spread  `json:"cpu_to_lodge"`
	P50  float64 `json:"p50_us"`
	PSS  float64 `json:"pss_bytes"`
}

func column(s []sample, f func(sample) float64) []float64 {
	out := make([]float64, len(s))
	for i, x := range s {
		out[i] = f(x)
	}
	return out
}

func rate(s sample) float64 { return s.rps }
func p99(s sample) float64  { return s.p99 }
func cpu(s sample) float64  { return s.cpu }

func (t *loadTable) add(cell string, got map[string][]sample) {
	row := loadRow{Cell: cell, By: map[string]*loadValue{}, got: got}
	lodge := got[lodgeName]
	for name, s := range got {
		v := &loadValue{P50: mean(column(s, func(s sample) float64 { return s.p50 })), PSS: s[len(s)-1].pss}
		v.Rate = spreadOf(ratios(column(s, rate), column(got[t.Base], rate)))
		v.P99 = spreadOf(ratios(column(s, p99), column(lodge, p99)))
		v.CPU = spreadOf(ratios(column(s, cpu), column(lodge, cpu)))
		row.By[name] = v
	}
	t.Rows = append(t.Rows, row)
}

type pageTable struct {
	Modules int               `json:"modules"`
	Rounds  int               `json:"rounds"`
	Names   []string          `json:"names"`
	Ratios  map[string]spread `json:"ratios"` // of times, to direct
	Missing string            `json:"missing,omitempty"`
}

type socketsTable struct {
	Sockets int          `json:"sockets"`
	Rows    []socketsRow `json:"rows"`
}

// socketsRow has PSS in bytes: without sockets, with them, and with them after
// ten seconds of silence.
type socketsRow struct {
	Name   string  `json:"name"`
	Before float64 `json:"before_bytes"`
	After  float64 `json:"after_bytes"`
	Later  float64 `json:"later_bytes"`
}

type firstTable struct {
	Rounds   int     `json:"rounds"`
	Ratio    spread  `json:"ratio"`
	DirectUS float64 `json:"direct_us"`
	HeldUS   float64 `json:"held_us"`
}

func ratio(s spread) string {
	if s.Rounds == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f..%.2f)", s.Median, s.P25, s.P75)
}

func mib(bytes float64) string { return fmt.Sprintf("%.1f", bytes/(1<<20)) }

// print writes the tables for a terminal.
func (r *report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := func(format string, args ...any) {
		_ = w.Flush() // the next table has columns of its own
		fmt.Fprintf(out, "\n"+format+"\n\n", args...)
	}
	line := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }
	for _, t := range r.Load {
		head("%s; median (p25..p75) of %d rounds, more is faster", t.Title, t.Rounds)
		t.rows(line, func(v *loadValue) string { return ratio(v.Rate) })
		head("  the same: CPU time of the proxy for a request, lodge = 1, more is worse")
		t.rows(line, func(v *loadValue) string { return ratio(v.CPU) })
		if t.Base == direct { // h2load tells no percentiles
			head("  the same: 99th percentile of the time of a request, lodge = 1, more is worse")
			t.rows(line, func(v *loadValue) string { return ratio(v.P99) })
		}
		head("  the same: memory of the proxy, MiB (PSS)")
		t.rows(line, func(v *loadValue) string { return mib(v.PSS) })
	}
	if t := r.Page; t != nil {
		head("A cold page of %d modules from Vite: time, direct = 1, median (p25..p75) of %d rounds, more is slower", t.Modules, t.Rounds)
		if t.Missing != "" {
			line(t.Missing)
		}
		for _, n := range t.Names {
			line(n, ratio(t.Ratios[n]))
		}
	}
	if t := r.Sockets; t != nil {
		head("%d idle WebSockets: memory of the proxy, MiB (PSS)", t.Sockets)
		line("", "before", "with them", "10 s later")
		for _, row := range t.Rows {
			line(row.Name, mib(row.Before), mib(row.After), mib(row.Later))
		}
	}
	if t := r.First; t != nil {
		head("From listen to the first answer: a request that waits at the engine, to one made directly")
		line("", ratio(t.Ratio), fmt.Sprintf("%.0f µs, directly %.0f µs", t.HeldUS, t.DirectUS))
	}
	if len(r.Missing) > 0 {
		head("Not measured")
		for _, m := range r.Missing {
			line(m.Name, m.Why)
		}
	}
	head("To hold")
	for _, h := range r.Holds {
		line(h.What, h.Found, h.Verdict)
	}
	return w.Flush()
}

func (t *loadTable) rows(line func(...string), cell func(*loadValue) string) {
	line(append([]string{""}, t.Names...)...)
	for _, row := range t.Rows {
		cells := []string{row.Cell}
		for _, n := range t.Names {
			if v := row.By[n]; v != nil {
				cells = append(cells, cell(v))
			} else {
				cells = append(cells, "-")
			}
		}
		line(cells...)
	}
}
