// Package stat counts records by what was asked: which server, which protocol,
// which endpoint or statement; how often, how long, how many failed.
package stat

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"lodge/internal/decode"
	"lodge/internal/tap"
)

// maxRows bounds the number of rows; what comes after is counted in one row whose
// group is [Others].
const maxRows = 10_000

// Others is the group of what had no place in the table.
const Others = "…"

// Key is what a row counts.
type Key struct {
	// Server is the server as it is called: its service, its process, its address.
	Server string `json:"server"`
	Port   uint16 `json:"port"`
	// Protocol is "tcp" for connections that failed.
	Protocol string `json:"protocol"`
	Method   string `json:"method,omitempty"`
	Group    string `json:"group,omitempty"`
}

// Row is what was counted.
type Row struct {
	Key
	Count  uint64 `json:"count"`
	Failed uint64 `json:"failed"`
	// Bytes are those of requests and responses on the wire.
	Bytes uint64 `json:"bytes"`
	// P50US and P99US are quantiles of the time to the first byte of the answer, in
	// microseconds, MaxUS the longest; nil where no answer was seen. Quantiles are
	// exact to 2 %.
	P50US *float64 `json:"latency_p50_us,omitempty"`
	P99US *float64 `json:"latency_p99_us,omitempty"`
	MaxUS *float64 `json:"latency_max_us,omitempty"`
}

// Table counts records.
type Table struct {
	rows map[Key]*row
}

type row struct {
	count, failed, bytes uint64
	latency              histogram
}

// New returns an empty table.
func New() *Table { return &Table{rows: make(map[Key]*row)} }

// Add counts a record.
func (t *Table) Add(r *tap.Record) {
	k := keyOf(r)
	w := t.rows[k]
	if w == nil {
		if len(t.rows) >= maxRows {
			k = Key{Group: Others}
			w = t.rows[k]
		}
		if w == nil {
			w = &row{}
			t.rows[k] = w
		}
	}
	w.count++
	w.bytes += uint64(r.Bytes())
	if r.Failure != "" || r.Exchange.Failed {
		w.failed++
	}
	if d, ok := r.Latency(); ok && r.Exchange.Kind != decode.KindMessage {
		w.latency.add(d)
	}
}

func keyOf(r *tap.Record) Key {
	k := Key{Server: ServerName(&r.Server), Port: r.Server.Address.Port(), Protocol: r.Transport.String()}
	if e := &r.Server; e.Path != "" && k.Server != e.At() { // it may serve at several
		k.Server += " " + e.At()
	}
	x := r.Exchange
	if x == nil {
		k.Method = string(r.Failure)
		return k
	}
	k.Protocol, k.Method, k.Group = x.Protocol, x.Method, x.Group
	if k.Group == "" {
		k.Group = x.Target
	}
	return k
}

// ServerName is an end as it is called.
func ServerName(e *tap.End) string {
	switch {
	case e.Service != "":
		return e.Project + "/" + e.Service
	case e.Known():
		return e.Processes[0].Name
	}
	if !e.Address.IsValid() {
		return e.At()
	}
	return e.Address.Addr().String()
}

// Rows returns what was counted: the most frequent first.
func (t *Table) Rows() []Row {
	out := make([]Row, 0, len(t.rows))
	for k, w := range t.rows {
		out = append(out, Row{
			Key: k, Count: w.count, Failed: w.failed, Bytes: w.bytes,
			P50US: w.latency.quantile(0.50), P99US: w.latency.quantile(0.99), MaxUS: w.latency.quantile(1),
		})
	}
	slices.SortFunc(out, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.text(), b.text()))
	})
	return out
}

func (k *Key) text() string {
	return k.Server + "\x00" + strconv.Itoa(int(k.Port)) + "\x00" + k.Protocol + "\x00" + k.Method + "\x00" + k.Group
}

// histogram counts durations in buckets that are 2 % wide.
type histogram struct {
	buckets map[int]uint64
	n       uint64
	max     time.Duration
}

func (h *histogram) add(d time.Duration) {
	if h.buckets == nil {
		h.buckets = make(map[int]uint64)
	}
	d = max(d, 0)
	h.buckets[bucket(d)]++
	h.n++
	h.max = max(h.max, d)
}

// Buckets: the first 64 are one nanosecond wide; from there on each power of two
// is divided into 64, so that a bucket is at most 1/64 wide.
const perPower = 64

func bucket(d time.Duration) int {
	n, shift := uint64(d), 0
	for n>>shift >= 2*perPower {
		shift++
	}
	return shift*perPower + int(n>>shift)
}

// middle is the middle of a bucket.
func middle(b int) time.Duration {
	shift := max(0, b/perPower-1)
	low := uint64(b-shift*perPower) << shift
	return time.Duration(low + (uint64(1)<<shift)/2)
}

// quantile returns a quantile in microseconds, or nil where nothing was added: the least
// value that is not exceeded by that share of all (the nearest rank), so that of a few
// values p99 is the largest.
func (h *histogram) quantile(q float64) *float64 {
	if h.n == 0 {
		return nil
	}
	us := func(d time.Duration) *float64 {
		v := float64(d) / float64(time.Microsecond)
		return &v
	}
	if q >= 1 {
		return us(h.max)
	}
	keys := make([]int, 0, len(h.buckets))
	for b := range h.buckets {
		keys = append(keys, b)
	}
	slices.Sort(keys)
	want, seen := uint64(math.Ceil(q*float64(h.n)-1e-9)), uint64(0)
	for _, b := range keys {
		if seen += h.buckets[b]; seen >= want {
			return us(min(middle(b), h.max))
		}
	}
	return us(h.max)
}
