package main

import "lodge/bench/internal/rounds"

// report is all that a run found, and what -json prints.
type report struct {
	Machine    string           `json:"machine"`
	HTTP1      []loadTable      `json:"http1,omitempty"`
	HTTP2      []loadTable      `json:"h2,omitempty"`
	Memory     []memoryRow      `json:"memory,omitempty"` // of the proxies, at the end of http1
	Page       *pageTable       `json:"page,omitempty"`
	TCP        *tcpTable        `json:"tcp,omitempty"`
	Start      *startTable      `json:"start,omitempty"`
	WebSockets *webSocketTable  `json:"websockets,omitempty"`
	Missing    []rounds.Missing `json:"missing,omitempty"`
	Holds      []rounds.Held    `json:"holds"`
}

// loadTable is one cell: so many connections ask for files of one size.
type loadTable struct {
	Cell    string    `json:"cell"`
	Scheme  string    `json:"scheme"`
	Conns   int       `json:"connections"`
	Streams int       `json:"streams,omitempty"` // of each connection, with HTTP/2
	Bytes   int       `json:"body_bytes"`
	Rounds  int       `json:"rounds"`
	Rows    []loadRow `json:"rows"`
}

// loadRow is one contender in a cell. Ratios are to direct requests of the
// same round.
type loadRow struct {
	Name  string        `json:"name"`
	Share rounds.Spread `json:"per_second_to_direct"`
	P50   rounds.Spread `json:"p50_to_direct"`
	P99   rounds.Spread `json:"p99_to_direct"`
	// CPU is the proxy's processor time for a request, to nginx's; CPUMicros is
	// the median of it, PerSecond that of requests, for the terminal.
	CPU       rounds.Spread `json:"cpu_to_nginx"`
	CPUMicros float64       `json:"cpu_us"`
	PerSecond float64       `json:"per_second"`
	Errors    float64       `json:"errors"`

	loads []load    // one a round
	cpu   []float64 // seconds a request, one a round
}

func (t *loadTable) find(name string) *loadRow {
	for i := range t.Rows {
		if t.Rows[i].Name == name {
			return &t.Rows[i]
		}
	}
	return nil
}

type memoryRow struct {
	Name   string `json:"name"`
	Scheme string `json:"scheme"`
	memory
}

// pageTable has the time of a page to that of the same page direct.
type pageTable struct {
	Modules int              `json:"modules"`
	Rounds  int              `json:"rounds"`
	Rows    []pageRow        `json:"rows"`
	Missing []rounds.Missing `json:"missing,omitempty"`
}

type pageRow struct {
	Server string        `json:"server"`
	Name   string        `json:"name"`
	How    string        `json:"how"`
	Ratio  rounds.Spread `json:"ratio"`
	MS     float64       `json:"ms"` // the median, for the terminal
	held   bool
	took   []float64
}

// tcpTable has times to those of plain loopback: more is slower.
type tcpTable struct {
	Rounds  int              `json:"rounds"`
	Places  []string         `json:"places"`
	Rows    []tcpRow         `json:"rows"`
	Missing []rounds.Missing `json:"missing,omitempty"`
}

type tcpRow struct {
	Cell   string                   `json:"cell"`
	Ratios map[string]rounds.Spread `json:"ratios"`
}

// startTable has times in milliseconds, for the terminal.
type startTable struct {
	Rounds int        `json:"rounds"`
	Rows   []startRow `json:"rows"`
}

type startRow struct {
	Name        string        `json:"name"`
	ListenToAMS rounds.Spread `json:"listen_to_answer_ms"`
	RunToAMS    rounds.Spread `json:"run_to_answer_ms"`
}

type webSocketTable struct {
	Sockets int              `json:"websockets"`
	Rows    []webSocketRow   `json:"rows"`
	Missing []rounds.Missing `json:"missing,omitempty"`
}

type webSocketRow struct {
	Name   string `json:"name"`
	Scheme string `json:"scheme"`
	Before memory `json:"before"`
	Idle   memory `json:"idle"`
}
