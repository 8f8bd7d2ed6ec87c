package probe

import (
	"math"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"lodge/internal/loopback"
	"lodge/internal/probe/answer"
)

// Summary is what a load measured.
type Summary struct {
	Target   string            `json:"target"`
	Protocol loopback.Protocol `json:"protocol"`
	// IP is the address that was used; not set where a name has several, and none took a connection.
	IP   netip.Addr `json:"ip,omitzero"`
	Port uint16     `json:"port"`
	Mode Mode       `json:"mode"`
	// Method and Path are those of HTTP, SizeBytes that of an echo.
	Method    string `json:"method,omitempty"`
	Path      string `json:"path,omitempty"`
	SizeBytes int    `json:"size_bytes,omitempty"`

	Count         int     `json:"count,omitempty"` // as asked for
	Concurrency   int     `json:"concurrency"`
	RatePerSecond float64 `json:"rate_per_second,omitempty"` // as asked for
	// Stopped is "done", "duration" or "interrupted".
	Stopped    string `json:"stopped"`
	DurationUS int64  `json:"duration_us"`

	Done      int64   `json:"done"` // operations that ended, well or not
	Succeeded int64   `json:"succeeded"`
	Failed    int64   `json:"failed"`
	PerSecond float64 `json:"per_second"` // of those that succeeded
	// Connections were made; StaleConnections of them had been closed by the
	// server while they were kept, so that the request was sent again.
	Connections      int64 `json:"connections"`
	StaleConnections int64 `json:"stale_connections,omitempty"`
	// RetransmittedConnections are those on which the kernel had to send something
	// again, mostly the SYN: they take 1 s, 3 s, 7 s longer.
	RetransmittedConnections int64 `json:"retransmitted_connections,omitempty"`
	SentBytes                int64 `json:"sent_bytes"`
	ReceivedBytes            int64 `json:"received_bytes"`

	// Latency is of operations that succeeded; with a rate, from when each should
	// have begun. Service is then from when it began. Connect is of connecting.
	Latency Latency  `json:"latency"`
	Service *Latency `json:"service,omitempty"`
	Connect *Latency `json:"connect,omitempty"`
	// Histogram is Latency's, in steps of one quarter.
	Histogram []Bar            `json:"histogram"`
	Statuses  map[string]int64 `json:"statuses,omitempty"`
	Errors    []ErrorCount     `json:"errors"`
	// AcceptQueue is the listener's, where something was sent again, was not
	// answered in time or was reset.
	AcceptQueue *AcceptQueue `json:"accept_queue,omitempty"`
}

// Latency has quantiles in microseconds, to three digits.
type Latency struct {
	MinUS    float64 `json:"min_us"`
	MeanUS   float64 `json:"mean_us"`
	StddevUS float64 `json:"stddev_us"`
	P50US    float64 `json:"p50_us"`
	P75US    float64 `json:"p75_us"`
	P90US    float64 `json:"p90_us"`
	P99US    float64 `json:"p99_us"`
	P999US   float64 `json:"p999_us"`
	MaxUS    float64 `json:"max_us"`
}

// Bar is how many operations took longer than the bar before it, and at most UpToUS.
type Bar struct {
	UpToUS float64 `json:"up_to_us"`
	Count  int64   `json:"count"`
}

// ErrorCount is how often operations failed in one way.
type ErrorCount struct {
	Kind  answer.Failure `json:"kind"`
	Count int64          `json:"count"`
	First string         `json:"first"` // what the first one said
}

// unit is the histograms' resolution, longest what they hold.
const (
	unit    = 100 * time.Nanosecond
	longest = time.Hour
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(longest/unit), 3)
}

// shard is a part of the tally, so that workers seldom wait for each other.
type shard struct {
	mu       sync.Mutex // guards the histograms and statuses
	latency  *hdrhistogram.Histogram
	service  *hdrhistogram.Histogram // nil without a rate
	connect  *hdrhistogram.Histogram
	statuses map[int]int64

	sent, received, stale, connections, sentAgain atomic.Int64
}

// tally counts for all workers.
type tally struct {
	shards       []*shard
	done, failed atomic.Int64

	mu     sync.Mutex // guards errors
	errors map[answer.Failure]*ErrorCount
}

func newTally(service bool, shards int) *tally {
	t := &tally{errors: map[answer.Failure]*ErrorCount{}}
	for range max(shards, 1) {
		s := &shard{latency: newHistogram(), connect: newHistogram(), statuses: map[int]int64{}}
		if service {
			s.service = newHistogram()
		}
		t.shards = append(t.shards, s)
	}
	return t
}

func (t *tally) shard(worker int) *shard { return t.shards[worker%len(t.shards)] }

// record keeps a duration; what is out of range becomes the longest.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(int64(max(unit, min(d, longest)) / unit))
}

func (t *tally) count(s *shard, latency, service time.Duration, err error) {
	if err != nil {
		kind := failureOf(err)
		t.mu.Lock()
		e := t.errors[kind]
		if e == nil {
			e = &ErrorCount{Kind: kind, First: cause(err)}
			t.errors[kind] = e
		}
		e.Count++
		t.mu.Unlock()
		t.failed.Add(1)
		t.done.Add(1)
		return
	}
	s.mu.Lock()
	record(s.latency, latency)
	if s.service != nil {
		record(s.service, service)
	}
	s.mu.Unlock()
	t.done.Add(1)
}

func (t *tally) connected(s *shard, took time.Duration) {
	s.connections.Add(1)
	s.mu.Lock()
	record(s.connect, took)
	s.mu.Unlock()
}

func (t *tally) status(s *shard, code int) {
	s.mu.Lock()
	s.statuses[code]++
	s.mu.Unlock()
}

// summary returns what was measured, when no worker runs any more.
func (l *Load) summary(took time.Duration, interrupted bool) *Summary {
	t := l.tally
	s := &Summary{
		Target: l.target.Text, Protocol: l.proto, Port: l.target.Port, Mode: l.opts.Mode,
		Count: l.opts.Count, Concurrency: l.opts.Concurrency, RatePerSecond: l.opts.Rate,
		Stopped: "done", DurationUS: micros(took), Done: t.done.Load(), Failed: t.failed.Load(),
		Errors: []ErrorCount{}, Histogram: []Bar{},
	}
	s.IP = l.chosen.Addr()
	switch s.Mode {
	case ModeHTTP:
		s.Method, s.Path = l.opts.HTTP.Method, l.opts.HTTP.Path
		s.Statuses = map[string]int64{}
	case ModeEcho:
		s.SizeBytes = l.opts.Size
	}
	if interrupted {
		s.Stopped = "interrupted"
	} else if s.Count == 0 || s.Done < int64(s.Count) {
		s.Stopped = "duration"
	}
	s.Succeeded = s.Done - s.Failed
	if took > 0 {
		s.PerSecond = round(float64(s.Succeeded)/took.Seconds(), 10)
	}
	all := t.shards[0]
	for i, sh := range t.shards {
		s.SentBytes += sh.sent.Load()
		s.ReceivedBytes += sh.received.Load()
		s.StaleConnections += sh.stale.Load()
		s.Connections += sh.connections.Load()
		s.RetransmittedConnections += sh.sentAgain.Load()
		for code, n := range sh.statuses {
			s.Statuses[strconv.Itoa(code)] += n
		}
		if i > 0 {
			all.latency.Merge(sh.latency)
			all.connect.Merge(sh.connect)
			if all.service != nil {
				all.service.Merge(sh.service)
			}
		}
	}
	s.Latency = latencyOf(all.latency)
	if all.service != nil {
		service := latencyOf(all.service)
		s.Service = &service
	}
	if s.Mode != ModeConnect && s.Connections > 0 {
		connect := latencyOf(all.connect)
		s.Connect = &connect
	}
	s.Histogram = bars(all.latency)
	for _, e := range t.errors {
		s.Errors = append(s.Errors, *e)
	}
	sort.Slice(s.Errors, func(i, j int) bool {
		a, b := s.Errors[i], s.Errors[j]
		return a.Count > b.Count || a.Count == b.Count && strings.Compare(string(a.Kind), string(b.Kind)) < 0
	})
	_, reset := t.errors[answer.Reset]
	again := s.RetransmittedConnections
	s.AcceptQueue = l.queue.close(again, reset || again > 0 || l.queue.unanswered.Load() > 0)
	return s
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	at := func(q float64) float64 { return us(h.ValueAtQuantile(q)) }
	return Latency{
		MinUS: us(h.Min()), MeanUS: round(h.Mean()*unit.Seconds()*1e6, 10), StddevUS: round(h.StdDev()*unit.Seconds()*1e6, 10),
		P50US: at(50), P75US: at(75), P90US: at(90), P99US: at(99), P999US: at(99.9), MaxUS: us(h.Max()),
	}
}

// us returns microseconds for a value of a histogram.
func us(v int64) float64 { return round(float64(v)*float64(unit)/float64(time.Microsecond), 10) }

// round keeps as many parts of a whole.
func round(x, parts float64) float64 { return math.Round(x*parts) / parts }

// bars returns the distribution in steps of one quarter more (1, 1.25, 1.6, 2 and
// so on to each power of ten), without the empty ones at both ends.
func bars(h *hdrhistogram.Histogram) []Bar {
	steps := []float64{1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8}
	limit := func(i int) float64 { return round(math.Pow(10, float64(i/len(steps)))*steps[i%len(steps)], 100) }
	out := []Bar{}
	i := 0 // the last bar's limit, once there is one
	for _, b := range h.Distribution() {
		if b.Count == 0 {
			continue
		}
		first := len(out) == 0
		for us(b.To) > limit(i) {
			if i++; !first {
				out = append(out, Bar{UpToUS: limit(i)})
			}
		}
		if first {
			out = append(out, Bar{UpToUS: limit(i)})
		}
		out[len(out)-1].Count += b.Count
	}
	return slices.Clip(out)
}
