package main

import (
	"fmt"
	"io"

	"lodge/bench/internal/rounds"
)

// report is what a run found.
type report struct {
	Machine  string        `json:"machine"`
	Rounds   int           `json:"rounds"`
	Rows     []row         `json:"rows"`
	Programs []program     `json:"programs"` // on disk
	Memory   []program     `json:"memory"`   // at most, of those that ran; 0 where none did
	Holds    []rounds.Held `json:"holds"`
}

// row is a command: its time to that of others of the same round.
type row struct {
	Name    string        `json:"name"`
	MS      float64       `json:"ms"`
	ToHello rounds.Spread `json:"to_hello"`
	ToSS    rounds.Spread `json:"to_ss_tanp"`
}

type program struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// maxHelper is how large the helper's program may be, in bytes.
const maxHelper = 10 << 20

// hold looks at what was measured and says what holds.
func (r *report) hold() {
	for _, row := range r.Rows {
		switch row.Name {
		case lodgeVersion:
			r.add("lodge version: at most 1.3 of a small Go program", rounds.Ratio(row.ToHello), rounds.Within(row.ToHello, 0, 1.3))
		case lodgePorts:
			r.add("lodge ports, 200 sockets: not slower than ss -tanp", rounds.Ratio(row.ToSS), rounds.Within(row.ToSS, 0, 1))
		}
	}
	for _, p := range r.Programs {
		if p.Name == "lodge-helper" {
			v := rounds.No
			if p.Bytes < maxHelper {
				v = rounds.Yes
			}
			r.add("lodge-helper: under 10 MiB on disk", rounds.MiB(float64(p.Bytes))+" MiB", v)
		}
	}
}

func (r *report) add(what, found, verdict string) {
	r.Holds = append(r.Holds, rounds.Held{What: what, Found: found, Verdict: verdict})
}

// print writes the tables for a terminal.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%s\n", r.Machine)
	p := rounds.NewTables(out)
	p.Head("Starts, 200 TCP sockets: time to that of others, median (p25..p75) of %d rounds", r.Rounds)
	p.Line("", "to "+hello, "to "+ssProcesses, "ms")
	for _, row := range r.Rows {
		p.Line(row.Name, rounds.Ratio(row.ToHello), rounds.Ratio(row.ToSS), fmt.Sprintf("%.1f", row.MS))
	}
	p.Head("Programs on disk")
	for _, x := range r.Programs {
		p.Line(x.Name, rounds.MiB(float64(x.Bytes))+" MiB")
	}
	p.Head("Most memory (VmHWM), with one project of one service up")
	for _, x := range r.Memory {
		if x.Bytes == 0 {
			p.Line(x.Name, "- did not run")
			continue
		}
		p.Line(x.Name, rounds.MiB(float64(x.Bytes))+" MiB")
	}
	p.Holds(r.Holds)
	return p.Flush()
}
