package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/loopback"
)

// Mode is what each of many operations does.
type Mode string

// The modes.
const (
	ModeConnect Mode = "connect" // connect and close
	ModeEcho    Mode = "echo"    // send bytes, and read the same bytes back
	ModeHTTP    Mode = "http"    // one HTTP/1.1 request and its whole response
)

// The bounds of a load, which hold unless it says otherwise.
const (
	DefaultCount       = 1000
	DefaultConcurrency = 10
	DefaultDuration    = time.Minute
	MaxConcurrency     = 10_000
	MaxEcho            = 16 << 20
)

// LoadOptions say what many operations are made, and how.
type LoadOptions struct {
	Options
	Mode Mode
	// Count is how many operations; zero: as many as Duration allows, or DefaultCount.
	Count int
	// Concurrency is how many at a time; zero: DefaultConcurrency.
	Concurrency int
	// Rate is how many are begun in a second, evenly; zero: each as soon as one ends.
	Rate float64
	// Duration is after what time no more is begun; zero: DefaultDuration.
	Duration time.Duration
	// New makes a connection for each operation, where the mode would keep one.
	New bool
	// Size is how many bytes an echo sends.
	Size int
	// HTTP is the request.
	HTTP Request
}

// job is one operation to begin; at is when it should, by the rate, or zero.
type job struct{ at time.Time }

// Load is a run of many operations against one address.
type Load struct {
	opts   LoadOptions
	target Target
	proto  loopback.Protocol
	ips    []netip.Addr

	request []byte // HTTP, as it is sent
	queue   *queueWatch

	mu     sync.Mutex // guards chosen
	chosen netip.AddrPort

	tally *tally
	begun atomic.Int64
	start time.Time // guarded by mu until Do has set it
	end   time.Time // when no more is begun; set with start
}

// OptionError is a load that is not possible, whatever answers there.
type OptionError struct{ Text string }

func (e *OptionError) Error() string { return e.Text }

func wrong(format string, args ...any) error { return &OptionError{Text: fmt.Sprintf(format, args...)} }

// NewLoad checks the options (*OptionError), finds the address (*Remote), and
// sends nothing.
func NewLoad(ctx context.Context, t Target, opts LoadOptions) (*Load, error) {
	l := &Load{target: t, proto: loopback.TCP}
	if opts.UDP || t.Scheme == "udp" {
		l.proto = loopback.UDP
	}
	if err := opts.complete(l.proto); err != nil {
		return nil, err
	}
	if opts.Mode == ModeHTTP {
		var err error
		if l.request, err = opts.HTTP.build(t, opts.New); err != nil {
			return nil, err
		}
	}
	resolving, cancel := context.WithTimeout(ctx, opts.Timeout)
	defer cancel()
	ips, err := opts.Network.resolve(resolving, t, opts.Remote)
	if err != nil {
		return nil, err
	}
	l.opts, l.ips, l.tally = opts, ips, newTally(opts.Rate > 0, min(opts.Concurrency, 8))
	if len(ips) == 1 {
		l.chosen = netip.AddrPortFrom(ips[0], t.Port)
	}
	return l, nil
}

// complete fills in what is not given, and checks the rest.
func (o *LoadOptions) complete(proto loopback.Protocol) error {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Count <= 0 && o.Duration <= 0 {
		o.Count = DefaultCount
	}
	if o.Duration <= 0 {
		o.Duration = DefaultDuration
	}
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.Count > 0 {
		o.Concurrency = min(o.Concurrency, o.Count)
	}
	switch {
	case o.Concurrency > MaxConcurrency:
		return wrong("%d at a time are more than %d", o.Concurrency, MaxConcurrency)
	case o.Mode == ModeEcho && (o.Size < 1 || o.Size > MaxEcho):
		return wrong("an echo of %d bytes: not 1 to %d", o.Size, MaxEcho)
	case proto == loopback.UDP && o.Mode != ModeEcho:
		return wrong("by UDP only an echo can be measured")
	case proto == loopback.UDP && o.Size > maxDatagram:
		return wrong("%d bytes are more than a datagram holds (%d)", o.Size, maxDatagram)
	}
	return nil
}

// Progress says how far a load is.
type Progress struct {
	Done, Failed int64
	// Count is how many there will be; zero where only the time ends it.
	Count   int
	Elapsed time.Duration
	Limit   time.Duration
}

// Progress may be called while Do runs.
func (l *Load) Progress() Progress {
	l.mu.Lock()
	start := l.start
	l.mu.Unlock()
	p := Progress{Done: l.tally.done.Load(), Failed: l.tally.failed.Load(), Count: l.opts.Count, Limit: l.opts.Duration}
	if !start.IsZero() {
		p.Elapsed = time.Since(start)
	}
	return p
}

// Do runs the load until it is done, its duration is over or ctx ends, and
// gives what was measured. Operations that ctx cut off are not counted.
func (l *Load) Do(ctx context.Context) *Summary {
	l.mu.Lock()
	l.start = time.Now()
	l.mu.Unlock()
	l.end = l.start.Add(l.opts.Duration)
	l.queue = watchQueue(ctx, l.opts.Queue, l.proto, l.where)
	starting, stop := context.WithDeadline(ctx, l.end)
	defer stop()
	var jobs chan job
	var all sync.WaitGroup
	if l.opts.Rate > 0 {
		jobs = make(chan job)
		all.Go(func() { l.dispatch(starting, jobs) })
	}
	for i := range l.opts.Concurrency {
		all.Go(func() { l.work(ctx, starting, jobs, l.tally.shard(i)) })
	}
	all.Wait()
	took := time.Since(l.start)
	return l.summary(took, ctx.Err() != nil)
}

// work makes operations one after another. ctx cuts one off, starting only
// says that no more begin.
func (l *Load) work(ctx, starting context.Context, jobs <-chan job, sh *shard) {
	w := &worker{l: l, shard: sh}
	stop := context.AfterFunc(ctx, w.cut)
	defer stop()
	defer w.drop()
	for {
		j, ok := l.next(starting, jobs)
		if !ok {
			return
		}
		begin := time.Now()
		if j.at.IsZero() || j.at.After(begin) {
			j.at = begin
		}
		keep, err := w.operate(ctx)
		end := time.Now()
		if end.Sub(begin) >= slow {
			w.noteSentAgain()
		}
		if !keep {
			w.drop()
		}
		if err != nil && ctx.Err() != nil {
			return
		}
		if err != nil {
			l.queue.failed(failureOf(err))
		}
		l.tally.count(sh, end.Sub(j.at), end.Sub(begin), err)
	}
}

// where returns the addresses that are asked, and the port. While the first
// connection decides which it is, they are all.
func (l *Load) where() ([]netip.Addr, uint16) {
	if l.mu.TryLock() {
		defer l.mu.Unlock()
		if l.chosen.IsValid() {
			return []netip.Addr{l.chosen.Addr()}, l.chosen.Port()
		}
	}
	return l.ips, l.target.Port
}

func (l *Load) next(starting context.Context, jobs <-chan job) (job, bool) {
	if jobs != nil {
		j, ok := <-jobs
		return j, ok
	}
	if starting.Err() != nil || !time.Now().Before(l.end) { // a context's timer may be late
		return job{}, false
	}
	if n := l.begun.Add(1); l.opts.Count > 0 && n > int64(l.opts.Count) {
		return job{}, false
	}
	return job{}, true
}

// dial connects to the address that answered first. The first connection
// decides it, so that a name with two addresses costs no connection more.
func (l *Load) dial(ctx context.Context, sh *shard) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.opts.Timeout)
	defer cancel()
	l.mu.Lock()
	to := l.chosen
	if to.IsValid() {
		l.mu.Unlock()
		return l.dialTo(ctx, to, sh)
	}
	defer l.mu.Unlock()
	var err error
	for _, ip := range l.ips {
		to = netip.AddrPortFrom(ip, l.target.Port)
		var c net.Conn
		if c, err = l.dialTo(ctx, to, sh); err == nil {
			l.chosen = to
			return c, nil
		}
	}
	return nil, err
}

func (l *Load) dialTo(ctx context.Context, to netip.AddrPort, sh *shard) (net.Conn, error) {
	start := time.Now()
	c, err := l.opts.Network.dial(ctx, string(l.proto), to)
	if err == nil {
		l.tally.connected(sh, time.Since(start))
	}
	return c, err
}
