package tlssecrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	cut     []string // of these, those with too many files
	seen    chan seenProcess
	stop    context.CancelFunc
	running sync.WaitGroup
	next    map[int]nextLook // for Saw

	mu        sync.Mutex // guards what follows
	files     map[fileID]*file
	processes map[int]*process
	ring      *ring.Single
	taken     []secret
	forgotten uint64
	bad       uint64 // records that were none
	err       error  // the ring cannot be read
	counts    helperapi.SecretCounts
	scanned   map[fileID]library // programs that were searched
	scanning  time.Duration      // how long that took in all
}

// nextLook is when a process is looked at again.
type nextLook struct {
	at    time.Time
	start uint64 // of the process, 0: not known
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
		secrets: s, within: within, seen: make(chan seenProcess, maxSeen), next: map[int]nextLook{},
		files: map[fileID]*file{}, processes: map[int]*process{}, ring: records, scanned: map[fileID]library{},
	}
	p.probeMachine(ctx)
	for _, pid := range pids {
		p.lookAt(ctx, seenProcess{pid: pid})
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
		case who := <-p.seen:
			p.lookAt(ctx, who)
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
// does not wait. start is when the process started, as /proc/PID/stat has it, or 0.
func (p *Probes) Saw(pid int, start uint64, at time.Time) {
	next, known := p.next[pid]
	if another := start != 0 && next.start != 0 && start != next.start; known && !another && at.Before(next.at) {
		return
	}
	select {
	case p.seen <- seenProcess{pid, start}:
	default:
		return // with its next packet
	}
	if len(p.next) >= maxProcesses {
		clear(p.next)
	}
	p.mu.Lock()
	looks := 0
	if s := p.processes[pid]; s != nil && s.is(start) {
		looks = s.looks
	}
	p.mu.Unlock()
	p.next[pid] = nextLook{at.Add(lookAgain << min(looks, mostLookings)), start}
}

// Why returns why there are no secrets of a connection whose handshake began at a time, for
// people. The connection is of the process pid, which started at start or, where that is
// 0, is the last one with that id.
func (p *Probes) Why(pid int, start uint64, at time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.processes[pid]
	switch {
	case s == nil:
		return "it was not looked at"
	case !s.is(start):
		return "it had gone before it could be looked at"
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
		return p.scan(pid, s)
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

// scan says what is linked into a process's program, which is searched once. The caller
// holds mu, without which it is searched: the ring is emptied meanwhile.
func (p *Probes) scan(pid int, s *process) string {
	l, known := p.scanned[s.exeID]
	if !known && len(p.scanned) < maxFiles && p.scanning < maxScanning {
		began := time.Now()
		p.mu.Unlock()
		l = scanProgram(pid, s, began.Add(maxScanOne))
		p.mu.Lock()
		p.scanning += time.Since(began)
		p.scanned[s.exeID] = l
		known = true
	}
	switch {
	case !known:
		return notSearched
	case l.name == "":
		return "it has no TLS library that is known" + l.why
	}
	return l.String()
}

// notSearched is what there is to say of a program where many were searched.
const notSearched = "it has no TLS library that is known; its program was not searched for one, as many others were"

// scanProgram searches the program of a process that was looked at.
func scanProgram(pid int, s *process, until time.Time) library {
	for _, path := range [...]string{"/proc/" + strconv.Itoa(pid) + "/exe", s.exe} {
		f, err := openRegular(path)
		if err != nil {
			continue
		}
		var l library
		id, ok := idOf(f)
		ok = ok && id == s.exeID
		if ok {
			l = scan(f, until)
		}
		_ = f.Close() // only read from
		if ok {
			return l
		}
	}
	return library{why: "; its program cannot be searched for one any more"}
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
