package tlssecrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"lodge/internal/capture/ring"
	"lodge/internal/decode/tlskeys"
	"lodge/internal/helperapi"
)

const (
	maxProcesses = 1 << 14
	// maxSeen bounds the processes that wait to be looked at.
	maxSeen = 1 << 10
	// maxTaken bounds the secrets that nobody has asked for; the oldest are forgotten.
	maxTaken = 1 << 14
	// readEvery is how often the ring is emptied where nobody asks: it has room for
	// some thousand secrets.
	readEvery = 20 * time.Millisecond
	// lookAgain is after which time a process is looked at again, which may have loaded
	// a library meanwhile; it doubles each time.
	lookAgain    = time.Second
	mostLookings = 10
)

// Probes are the probes of a tap, and what came of them. Read and Saw are for one
// goroutine, that of the packets.
type Probes struct {
	secrets *helperapi.Secrets
	within  []string
	seen    chan int
	stop    context.CancelFunc
	running sync.WaitGroup
	next    map[int]time.Time // when a process is looked at again; for Saw

	mu        sync.Mutex // guards what follows
	files     map[fileID]*file
	processes map[int]*process
	ring      *ring.Single
	taken     []secret
	forgotten uint64
	bad       uint64 // records that were none
	err       error  // the ring cannot be read
	counts    helperapi.SecretCounts
	scanned   map[string]library // of programs, by path
}

// Open has the machine's libraries probed and the processes pids, and then those that
// [Probes.Saw] names. With directories in within, only files below these are probed, all of
// them from the begin on.
func Open(ctx context.Context, c *helperapi.Client, within []string, pids []int) (*Probes, error) {
	s, f, err := helperapi.StartSecrets(ctx, c)
	if err != nil {
		return nil, err
	}
	records, err := ring.OpenSingle(f, s.RingBytes)
	if err != nil {
		_, eerr := s.End(context.WithoutCancel(ctx))
		return nil, errors.Join(err, eerr)
	}
	p := &Probes{
		secrets: s, within: within, seen: make(chan int, maxSeen), next: map[int]time.Time{},
		files: map[fileID]*file{}, processes: map[int]*process{}, ring: records, scanned: map[string]library{},
	}
	p.probeMachine(ctx)
	for _, pid := range pids {
		p.lookAt(ctx, pid)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	p.running.Go(func() { p.run(running) })
	return p, nil
}

// run looks at processes, and empties the ring.
func (p *Probes) run(ctx context.Context) {
	every := time.NewTicker(readEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			p.drain()
		case pid := <-p.seen:
			p.lookAt(ctx, pid)
		}
	}
}

// Close takes all probes out. What was taken can still be read.
func (p *Probes) Close(ctx context.Context) error {
	p.stop()
	p.running.Wait()
	counts, err := p.secrets.End(ctx)
	p.drain()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts = counts
	return errors.Join(err, p.ring.Close())
}

// drain takes what is in the ring.
func (p *Probes) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return
	}
	p.err = p.ring.Read(func(b []byte) {
		s, err := parse(b)
		if err != nil {
			p.bad++
			return
		}
		p.taken = append(p.taken, s)
	})
	if n := len(p.taken) - maxTaken; n > 0 {
		p.forgotten += uint64(n)
		p.taken = append([]secret(nil), p.taken[n:]...)
	}
}

// Read adds the secrets that were taken since to log. A secret is there before the process
// that derived it sends anything encrypted with it.
func (p *Probes) Read(log *tlskeys.Log) {
	p.drain()
	p.mu.Lock()
	taken := p.taken
	p.taken = nil
	p.mu.Unlock()
	bad := 0
	for i := range taken {
		if taken[i].addTo(log) != nil {
			bad++
		}
	}
	if bad > 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.bad += uint64(bad)
	}
}

// Saw says that a process has sent or received a packet at a time: it is looked at soon. It
// does not wait.
func (p *Probes) Saw(pid int, at time.Time) {
	if next, known := p.next[pid]; known && at.Before(next) {
		return
	}
	select {
	case p.seen <- pid:
	default:
		return // with its next packet
	}
	if len(p.next) >= maxProcesses {
		clear(p.next)
	}
	p.mu.Lock()
	looks := 0
	if s := p.processes[pid]; s != nil {
		looks = s.looks
	}
	p.mu.Unlock()
	p.next[pid] = at.Add(lookAgain << min(looks, mostLookings))
}

// Why returns why there are no secrets of a connection of the process pid whose handshake
// began at a time, for people.
func (p *Probes) Why(pid int, at time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.processes[pid]
	switch {
	case s == nil:
		return "it was not looked at"
	case s.failed != "":
		return s.failed
	}
	var parts []string
	for _, f := range s.files {
		if text := f.gaveNone(at); !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 {
		l := p.scan(s.exe)
		if l.name == "" {
			return "it has no TLS library that is known"
		}
		return l.String()
	}
	return strings.Join(parts, ", ")
}

// gaveNone says why a file gave no secret of a connection.
func (f *file) gaveNone(at time.Time) string {
	switch {
	case f.kind == "":
		return f.String()
	case f.refused != "":
		return fmt.Sprintf("%s in %s is not probed: %s", f.name, f.path, f.refused)
	}
	const clock = "15:04:05.000"
	text := f.name + " is probed since " + f.probed.Format(clock)
	switch {
	case at.Before(f.probed):
		return text + ", after this connection began"
	case f.kind == helperapi.SecretGnuTLS:
		return text + ", and gave no secret of it: only its TLS 1.3 is decrypted"
	}
	return text + ", and gave no secret of it"
}

// scan searches a program for what is linked into it, once. The caller holds mu.
func (p *Probes) scan(exe string) library {
	l, known := p.scanned[exe]
	if known || len(p.scanned) >= maxFiles {
		return l
	}
	if f, err := openRegular(exe); err == nil {
		l = scan(f)
		_ = f.Close() // only read from
	}
	p.scanned[exe] = l
	return l
}

// File is what became of a file with TLS.
type File struct {
	Path, Library string
	// Why is why it is not probed, "" where it is.
	Why string
}

// Account is what the probes have seen.
type Account struct {
	// Files are those with a library of TLS, in order.
	Files []File
	// Counts are the helper's.
	Counts helperapi.SecretCounts
	// Forgotten were taken, and nobody asked for them; Bad could not be read.
	Forgotten, Bad uint64
	// Err is why they could not be read any more, or nil.
	Err error
}

// Account returns what the probes have seen, when they are closed.
func (p *Probes) Account() Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := Account{Counts: p.counts, Forgotten: p.forgotten, Bad: p.bad, Err: p.err}
	for _, f := range p.files {
		if f.name == "" {
			continue
		}
		n := File{Path: f.path, Library: f.name, Why: f.library.why}
		if f.kind != "" {
			n.Why = f.refused
		}
		a.Files = append(a.Files, n)
	}
	slices.SortFunc(a.Files, func(x, y File) int { return strings.Compare(x.Path, y.Path) })
	return a
}
