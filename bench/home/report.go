package main

import "lodge/bench/internal/rounds"

// report is all that a run found, and what -json prints. Ratios are to plain
// loopback and to the shell loop of the same round.
type report struct {
	Machine string        `json:"machine"`
	Path    *pathTable    `json:"path,omitempty"`
	Start   *startTable   `json:"start,omitempty"`
	Memory  *memoryTable  `json:"memory,omitempty"`
	Many    []manyTable   `json:"many,omitempty"`
	Soak    *soakTable    `json:"soak,omitempty"`
	Holds   []rounds.Held `json:"holds"`
}

type pathTable struct {
	Rounds  int              `json:"rounds"`
	Places  []string         `json:"places"`
	Rows    []pathRow        `json:"rows"`
	Missing []rounds.Missing `json:"missing,omitempty"`
}

type pathRow struct {
	Cell   string                   `json:"cell"`
	Ratios map[string]rounds.Spread `json:"ratios"` // by place, of times: more is slower
	// Lodge is home/ebpf to plain programs in cgroups as deep: what lodge itself
	// adds.
	Lodge *rounds.Spread `json:"ebpf_to_plain_in_cgroups,omitempty"`
}

type startTable struct {
	Rounds  int              `json:"rounds"`
	Sizes   []int            `json:"sizes"`
	Rows    []startRow       `json:"rows"`
	Ahead   []ahead          `json:"lodge_to_peers"`
	Missing []rounds.Missing `json:"missing,omitempty"`
}

type startRow struct {
	Name  string      `json:"name"`
	Peer  bool        `json:"peer,omitempty"`
	Lodge bool        `json:"lodge,omitempty"`
	Cells []startCell `json:"cells"`
}

type startCell struct {
	Services int           `json:"services"`
	Ratio    rounds.Spread `json:"ratio"`
	AddedMS  float64       `json:"added_per_service_ms"`
}

// ahead is the time until lodge's `up -d` returned, to the time until a peer's
// services listened.
type ahead struct {
	Lodge    string        `json:"lodge"`
	Peer     string        `json:"peer"`
	Services int           `json:"services"`
	Ratio    rounds.Spread `json:"ratio"`
}

type memoryTable struct {
	Rows    []memoryRow      `json:"rows"`
	Missing []rounds.Missing `json:"missing,omitempty"`
}

type memoryRow struct {
	What       string  `json:"what,omitempty"`
	Services   int     `json:"services"`
	DaemonPSS  float64 `json:"daemon_pss_bytes"`
	DaemonRSS  float64 `json:"daemon_rss_bytes"`
	HelperPSS  float64 `json:"helper_pss_bytes"`
	Keepers    int     `json:"keepers"`
	KeepersPSS float64 `json:"keepers_pss_bytes"`
	KeepersRSS float64 `json:"keepers_rss_bytes"`
}

type manyTable struct {
	Engine      string    `json:"engine"`
	Missing     string    `json:"missing,omitempty"`
	Projects    int       `json:"projects"`
	Services    int       `json:"services_each"`
	Seconds     float64   `json:"seconds"`
	DownSeconds float64   `json:"down_seconds"`
	Memory      memoryRow `json:"memory"`
}

type soakTable struct {
	Engine   string   `json:"engine"`
	Seconds  float64  `json:"seconds"`
	Rounds   int      `json:"rounds"`
	Rows     []growth `json:"rows"`
	LeftOver []string `json:"left_over"`
}
