package main

import (
	"fmt"
	"io"

	"lodge/bench/internal/rounds"
)

// sample is one run of a workload beside a contender.
type sample struct {
	rate, messages float64
	cpu            float64 // seconds, of the contender
	memory         float64 // bytes, its most
	captured, lost float64 // packets; lost -1: it does not tell
	attributed     *float64
}

// report is what a run found.
type report struct {
	Machine string           `json:"machine"`
	Rounds  int              `json:"rounds"`
	Rows    []row            `json:"rows"`
	Missing []rounds.Missing `json:"missing,omitempty"`
	Holds   []rounds.Held    `json:"holds"`
}

// row is a contender with a workload.
type row struct {
	Workload  string `json:"workload"`
	Contender string `json:"contender"`
	// Rate is the workload's to its rate beside nothing, in the same round.
	Rate rounds.Spread `json:"rate"`
	// CPU is the contender's for 100,000 messages, in seconds.
	CPU rounds.Spread `json:"cpu_s"`
	// Lost is the share of packets that were lost in all rounds; -1 where it is not told.
	Lost       float64  `json:"lost"`
	LostCount  float64  `json:"lost_packets"`
	Captured   float64  `json:"captured_packets"`
	Memory     float64  `json:"memory_bytes"`
	Attributed *float64 `json:"attributed,omitempty"`
	PerSecond  float64  `json:"messages_per_second"`
}

func (r *report) miss(what, why string) {
	r.Missing = append(r.Missing, rounds.Missing{Name: what, Why: why})
}

func rowOf(workload, contender string, own, base []sample) row {
	r := row{Workload: workload, Contender: contender}
	var rates, bases, cpu []float64
	for i, s := range own {
		rates, bases = append(rates, s.rate), append(bases, base[i].rate)
		if s.messages > 0 {
			cpu = append(cpu, s.cpu/s.messages*100_000)
		}
		r.Captured += s.captured
		switch {
		case s.lost < 0:
			r.Lost = -1
		case r.Lost >= 0:
			r.LostCount += s.lost
		}
		r.Memory = max(r.Memory, s.memory)
		if s.attributed != nil && (r.Attributed == nil || *s.attributed < *r.Attributed) {
			r.Attributed = s.attributed
		}
	}
	r.Rate, r.CPU, r.PerSecond = rounds.SpreadOf(rounds.Ratios(rates, bases)), rounds.SpreadOf(cpu), rounds.SpreadOf(rates).Median
	if r.Lost >= 0 && r.Captured+r.LostCount > 0 {
		r.Lost = r.LostCount / (r.Captured + r.LostCount)
	}
	return r
}

// hold looks at what was measured and says what holds.
func (r *report) hold() {
	find := func(workload, contender string) *row {
		for i := range r.Rows {
			if r.Rows[i].Workload == workload && r.Rows[i].Contender == contender {
				return &r.Rows[i]
			}
		}
		return nil
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		switch row.Contender {
		case lodgeWrites:
			if peer := find(row.Workload, tcpdump); peer != nil {
				verdict := rounds.No
				if row.Rate.Median >= peer.Rate.Median {
					verdict = rounds.Yes
				} else if row.Rate.High >= peer.Rate.Low {
					verdict = rounds.CannotTell
				}
				r.add(row.Workload+": writing packets slows it less than tcpdump does", fmt.Sprintf("%.3f, tcpdump %.3f", row.Rate.Median, peer.Rate.Median), verdict)
			}
			r.lossless(row, "writing packets loses nothing")
		case lodgeReads, lodgeUnix:
			r.lossless(row, "decoding loses nothing")
			if row.Attributed != nil {
				r.add(row.Workload+": both ends of all exchanges have a process", fmt.Sprintf("%.4f", *row.Attributed), yes(*row.Attributed == 1))
			}
		}
	}
}

func yes(ok bool) string {
	if ok {
		return rounds.Yes
	}
	return rounds.No
}

func (r *report) lossless(row *row, what string) {
	r.add(row.Workload+": "+what, fmt.Sprintf("%.0f of %.0f packets", row.LostCount, row.Captured+row.LostCount), yes(row.Lost == 0))
}

func (r *report) add(what, found, verdict string) {
	r.Holds = append(r.Holds, rounds.Held{What: what, Found: found, Verdict: verdict})
}

// print writes the tables for a terminal.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%s\n", r.Machine)
	p := rounds.NewTables(out)
	last := ""
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Workload != last {
			last = row.Workload
			p.Head("%s: rate to that beside nothing, median (p25..p75) of %d rounds; CPU of the capture for 100,000 messages", row.Workload, r.Rounds)
			p.Line("", "rate", "messages/s", "CPU, s", "memory", "packets", "lost", "attributed")
		}
		lost, attributed, cpu, memory := fmt.Sprintf("%.0f (%.2f %%)", row.LostCount, row.Lost*100), "-", "-", "-"
		if row.Lost < 0 {
			lost = "not told"
		}
		if row.Attributed != nil {
			attributed = fmt.Sprintf("%.2f %%", *row.Attributed*100)
		}
		if row.Contender != nothing {
			cpu, memory = fmt.Sprintf("%.2f", row.CPU.Median), rounds.MiB(row.Memory)+" MiB"
		} else {
			lost = "-"
		}
		p.Line(row.Contender, rounds.Ratio(row.Rate), fmt.Sprintf("%.0f", row.PerSecond), cpu, memory, fmt.Sprintf("%.0f", row.Captured), lost, attributed)
	}
	p.Missing(r.Missing)
	p.Holds(r.Holds)
	return p.Flush()
}
