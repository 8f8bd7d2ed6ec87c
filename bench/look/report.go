package main

import (
	"lodge/bench/internal/rounds"
)

// report is all that a run found, and what -json prints.
type report struct {
	Machine string        `json:"machine"`
	Sizes   []sizeTable   `json:"sizes"`
	Top     *topTable     `json:"top,omitempty"`
	Holds   []rounds.Held `json:"holds"`
}

// sizeTable is what was measured on one population.
type sizeTable struct {
	Sockets   int              `json:"sockets"`
	Processes int              `json:"processes"`
	Rounds    int              `json:"rounds"`
	Rows      []row            `json:"rows"`
	Missing   []rounds.Missing `json:"missing,omitempty"`
}

// row is one command line on one population.
type row struct {
	Name  string `json:"name"`
	Lodge bool   `json:"lodge,omitempty"`
	// Wall is the time to that of ss -tan in the same round, CPU likewise.
	Wall rounds.Spread `json:"wall_to_ss"`
	CPU  rounds.Spread `json:"cpu_to_ss"`
	// To are ratios of the wall time to those of other rows, by their name.
	To map[string]rounds.Spread `json:"wall_to,omitempty"`
	// MS is the median time, for the terminal.
	MS     float64 `json:"wall_ms"`
	Memory float64 `json:"peak_memory_bytes"`
	// Listed and Right are shares of the sockets: named at all, and with the
	// right process. Negative where it was not looked at.
	Listed float64 `json:"listed"`
	Right  float64 `json:"attributed"`
}

// topTable is the cost of `lodge top` that shows something and is left alone.
type topTable struct {
	Sockets int     `json:"sockets"`
	Seconds float64 `json:"seconds"`
	// CPU is the share of one processor that lodge took: top, and the daemon
	// with its helper.
	CPU     float64 `json:"cpu_share"`
	Missing string  `json:"missing,omitempty"`
}

func (t *sizeTable) find(name string) *row {
	for i := range t.Rows {
		if t.Rows[i].Name == name {
			return &t.Rows[i]
		}
	}
	return nil
}
