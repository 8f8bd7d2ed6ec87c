package diff

import (
	"lodge/internal/tap"
)

// Report is what a comparison found. Its JSON is that of the command.
type Report struct {
	A Side `json:"a"`
	B Side `json:"b"`
	// Again are the further runs of A's side.
	Again []Side `json:"again,omitempty"`
	// Complete reports that nothing of the recordings was lost, as far as they say.
	Complete bool `json:"complete"`
	// Different reports whether there is a finding.
	Different bool `json:"different"`
	// Findings are the differences, the most important first.
	Findings []Finding `json:"findings"`
	// More are the findings that are left out.
	More int `json:"more_findings,omitempty"`
	// Groups are the kinds of requests that were compared, Pairs the exchanges.
	Groups int `json:"groups"`
	Pairs  int `json:"pairs"`
	// NotCompared are pairs of which one is not known enough.
	NotCompared int `json:"not_compared,omitempty"`
	// Volatile is what was learned to differ from run to run, and left out.
	Volatile []Volatile `json:"volatile,omitempty"`
}

// Side is one recording.
type Side struct {
	Name      string `json:"name"`
	Exchanges uint64 `json:"exchanges"`
	Failures  uint64 `json:"failures"`
	// Complete reports that nothing was lost.
	Complete bool `json:"complete"`
	// Account is what the recording says of itself, nil where it says nothing.
	Account *tap.Account `json:"account,omitempty"`
	// Notes are what else there is to know, for people.
	Notes []string `json:"notes,omitempty"`
}

// Kind is what a finding is about.
type Kind string

// The kinds, the most important first.
const (
	KindError   Kind = "error"   // what failed in B only
	KindMissing Kind = "missing" // what is in A only
	KindAdded   Kind = "added"   // what is in B only
	KindCount   Kind = "count"   // what is there more or less often
	KindServer  Kind = "server"  // another process at the same port
	KindStatus  Kind = "status"  // the answer
	KindRequest Kind = "request" // the target, its parameters, the body of the request
	KindHeader  Kind = "header"  // a header or trailer of either direction
	KindBody    Kind = "body"    // the body of the response, or what was counted of it
	KindSize    Kind = "size"    // the size of a body of which the content was not kept
	KindLatency Kind = "latency" // the median, by a factor of four
)

// rank orders kinds.
func (k Kind) rank() int {
	for i, o := range []Kind{KindError, KindMissing, KindAdded, KindCount, KindServer, KindStatus, KindRequest, KindHeader, KindBody, KindSize} {
		if k == o {
			if o == KindAdded {
				return i - 1 // as important as what is missing
			}
			return i
		}
	}
	return 100
}

// Finding is one difference, in one kind of request.
type Finding struct {
	Kind Kind `json:"kind"`
	Group
	// Part, Name and Place are where in the exchange the difference is: Name is a
	// header or a path of JSON with [] for indexes, Place the first place.
	Part  Part   `json:"part,omitempty"`
	Name  string `json:"name,omitempty"`
	Place string `json:"place,omitempty"`
	// Change is how it differs: changed, added, removed, type, length, order, line, or
	// lines, of which LinesRemoved and LinesAdded say how many.
	Change       string `json:"change,omitempty"`
	LinesRemoved int    `json:"lines_removed,omitempty"`
	LinesAdded   int    `json:"lines_added,omitempty"`
	// A and B are the first two values, "" for none.
	A string `json:"value_a,omitempty"`
	B string `json:"value_b,omitempty"`
	// CountA and CountB are how often the kind of request is in each.
	CountA int `json:"count_a"`
	CountB int `json:"count_b"`
	// Changed are the pairs of exchanges that differ in this, of Pairs; Values how often
	// it differs in all of them; Varied reports that the values are not always A and B.
	Changed int  `json:"changed,omitempty"`
	Pairs   int  `json:"pairs,omitempty"`
	Values  int  `json:"values,omitempty"`
	Varied  bool `json:"varied,omitempty"`
	// Within is the exchange that caused what is there more or less often.
	Within *Within `json:"within,omitempty"`
	// Repeated reports that one request causes the same again and again, as with N+1
	// queries.
	Repeated bool `json:"repeated,omitempty"`
	// With are exchanges that the missing or added ones caused.
	With []Caused `json:"with,omitempty"`
	// Also are other kinds of requests with the same difference.
	Also []Group `json:"also,omitempty"`
	// NumbersA and NumbersB are the numbers of the first records in each.
	NumbersA []uint64 `json:"numbers_a,omitempty"`
	NumbersB []uint64 `json:"numbers_b,omitempty"`
	// LatencyA and LatencyB are medians in microseconds.
	LatencyA float64 `json:"latency_a_us,omitempty"`
	LatencyB float64 `json:"latency_b_us,omitempty"`
}

// Group is a kind of request.
type Group struct {
	Server   string `json:"server"`
	Protocol string `json:"protocol"`
	Method   string `json:"method,omitempty"`
	// Target is a path or a statement without what identifies one of many; what a
	// connection failed with.
	Target string `json:"target,omitempty"`
}

// Within is a kind of request that causes others.
type Within struct {
	Group
	// Requests are how many of them cause more or less than in the other recording;
	// PerA and PerB how many each causes, in that where the difference is the largest.
	Requests int `json:"requests"`
	PerA     int `json:"per_request_a"`
	PerB     int `json:"per_request_b"`
}

// Caused is a kind of request with how often it was caused.
type Caused struct {
	Group
	Count int `json:"count"`
}

// Volatile is something that differs from run to run.
type Volatile struct {
	Group
	Part Part   `json:"part,omitempty"`
	Name string `json:"name,omitempty"`
	// What is value, order, length, presence, lines or count.
	What string `json:"what"`
}
