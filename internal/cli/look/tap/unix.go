package tap

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/capture/ring"
	"lodge/internal/capture/unixcalls"
	"lodge/internal/decode"
	"lodge/internal/helperapi"
	"lodge/internal/model"
	"lodge/internal/sockets/diag"
	"lodge/internal/tap"
	"lodge/internal/tap/tapfile"
)

// unixTap is a tap of Unix sockets, beside the one of lo. It gives their connections to
// the same engine.
type unixTap struct {
	run     *run
	tap     *helperapi.Tap
	records *ring.Records
	diag    *diag.Conn
	files   *tapfile.UnixStreams // nil where no packets are written

	engine *tap.Engine
	mu     *sync.Mutex // guards the engine and the outputs, and what follows
	calls  *unixcalls.Assembler
	exist  *existing // what a look has found; nil: nothing new
	waited time.Time // when what has waited was given up last
	looks  bool      // looks for nscd are shown
	nscd   uint64    // looks for it that were left out
}

// existing are the Unix sockets of a network namespace at a time, by their inodes.
type existing struct {
	at     time.Time
	inodes map[uint32]bool
}

// unixConn is a connection that has carried something.
type unixConn struct {
	stream  *tap.Stream
	packets *tapfile.Segments // nil where none are written
	missing [2]int64          // bytes that no packet has told yet
}

const (
	// unixLook is how often what has waited is given up, and it is looked whether sockets
	// are still there.
	unixLook = 500 * time.Millisecond
	// nscdSocket is where the C library asks for a name server before it looks up a user or
	// a host itself (nscd(8)), in each program; /var/run is /run.
	nscdSocket = "/run/nscd/socket"
	// maxSegment is how much one packet of a file has.
	maxSegment = 60_000
)

// openUnix starts a tap.
func openUnix(ctx context.Context, r *run, c *helperapi.Client) (*unixTap, error) {
	t, files, err := helperapi.StartTapUnix(ctx, c, helperapi.TapUnixRequest{})
	if err != nil {
		return nil, noTap(err)
	}
	u := &unixTap{run: r, tap: t}
	if u.records, err = ring.OpenRecords(files, t.RingBytes, unixcalls.RecordSize); err != nil {
		return nil, fmt.Errorf("tap: %w", err)
	}
	if u.diag, err = diag.Open(); err != nil {
		return nil, errors.Join(fmt.Errorf("tap: %w", err), u.close())
	}
	return u, nil
}

func (u *unixTap) close() error {
	err := u.records.Close()
	if u.diag != nil {
		err = errors.Join(err, u.diag.Close())
	}
	return err
}

// read gives what is told to the engine, until ctx ends; mu is for what both taps use.
func (u *unixTap) read(ctx context.Context, e *tap.Engine, mu *sync.Mutex) error {
	u.engine, u.mu, u.calls = e, mu, unixcalls.New(u)
	u.looks = strings.Contains(strings.ToLower(strings.Join(u.run.words, " ")), "nscd")
	if p := u.run.out.packets; p != nil {
		u.files = tapfile.NewUnixStreams(p.w)
	}
	looking, stop := context.WithCancel(ctx)
	var looks sync.WaitGroup
	looks.Go(func() { u.look(looking) })
	u.records.Read = u.until
	err := u.records.Run(ctx, func(at time.Time, b []byte) error {
		mu.Lock()
		defer mu.Unlock()
		return u.calls.Record(at, b)
	})
	stop()
	looks.Wait()
	mu.Lock()
	defer mu.Unlock()
	u.calls.Close()
	return err
}

// until gives up what has waited for too long, and ends connections whose sockets are not
// there any more: all that was told until the time at has been taken.
func (u *unixTap) until(at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at.Sub(u.waited).Abs() >= unixLook {
		u.waited = at
		u.calls.Expire(at)
	}
	if x := u.exist; x != nil && at.After(x.at) {
		u.exist = nil
		u.calls.Gone(x.at, x.inodes)
	}
}

// look looks which sockets are there.
func (u *unixTap) look(ctx context.Context) {
	every := time.NewTicker(unixLook)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		u.mu.Lock()
		open := u.calls.Open() && u.exist == nil
		u.mu.Unlock()
		if !open {
			continue
		}
		x := &existing{at: time.Now()}
		l := &diag.Listing{Proto: diag.ProtoUnix, Question: diag.Question{States: diag.AllStates}}
		if l.Read(ctx, u.diag); l.Err != nil {
			continue // they end with the tap
		}
		x.inodes = make(map[uint32]bool, len(l.Recs))
		for i := range l.Recs {
			x.inodes[l.Recs[i].Inode] = true
		}
		u.mu.Lock()
		u.exist = x
		u.mu.Unlock()
	}
}

// captured is what the kernel counted, as the account has it.
func (u *unixTap) captured(c *helperapi.TapCounts, ended error) *tap.Capture {
	had := u.calls.Counts()
	u.run.forgotten = had.Evicted
	out := tap.Capture{Unknown: true, LeftOut: map[string]tap.Count{}}
	if ended == nil {
		out = captured(c, &ring.Counts{Packets: had.Calls, Bytes: had.Bytes})
	} else {
		out.Delivered = tap.Count{Packets: had.Calls, Bytes: had.Bytes}
		out.Seen = out.Delivered
	}
	out.UnsureBytes = had.Unsure
	if n := min(u.nscd, out.Delivered.Packets); n > 0 {
		out.Delivered.Packets -= n
		out.LeftOut["nscd"] = tap.Count{Packets: n}
	}
	return &out
}

// Open implements [unixcalls.Sink]. A connection is told when it carries something.
func (u *unixTap) Open(*unixcalls.Conn) {}

// Data implements [unixcalls.Sink].
func (u *unixTap) Data(c *unixcalls.Conn, s decode.Side, p unixcalls.Piece) {
	if u.run.out.failed() != nil {
		return // it ends; what comes still is let go of, and counted
	}
	one, ok := c.Owner.(*unixConn)
	if !ok {
		one = u.begin(c)
	}
	origin := originOfCall(p.From)
	switch {
	case s == decode.Client && c.PeerPID != 0:
		origin.Receiver = model.Process{PID: int(c.PeerPID)}
	case s == decode.Server && c.By.PID == 0 && c.ClientPID != 0:
		origin.Receiver = model.Process{PID: int(c.ClientPID)}
	}
	one.stream.Sent(s, &origin)
	if p.Descriptors > 0 {
		one.stream.Descriptors(p.Descriptors)
	}
	one.stream.Data(s, p.At, p.Missing, p.Data)
	if one.missing[s] += p.Missing; one.packets == nil || len(p.Data) == 0 {
		return
	}
	u.write(func() error {
		client, server := one.stream.Ends()
		missing := one.missing[s]
		one.missing[s] = 0
		for b := p.Data; ; b = b[maxSegment:] {
			n := min(len(b), maxSegment)
			if err := one.packets.Data(s, p.At, missing, b[:n], client, server); err != nil || n == len(b) {
				return err
			}
			missing = 0
		}
	})
}

func originOfCall(p unixcalls.Process) tap.Origin {
	o := tap.Origin{SoftLimit: p.SoftLimit, HardLimit: p.HardLimit, UID: &p.UID}
	if p.PID != 0 {
		o.Process = model.Process{PID: int(p.PID), Start: p.Start, Name: p.Comm}
	}
	return o
}

// absolute returns the path to which a process has connected, which may be relative to
// its directory.
func (u *unixTap) absolute(path string, by unixcalls.Process) string {
	if path == "" || path[0] == '/' || path[0] == '@' || by.PID == 0 {
		return path
	}
	var client tap.End
	origin := originOfCall(by)
	u.engine.Complete(&client, &origin)
	if dir := client.Processes[0].Directory; filepath.IsAbs(dir) {
		return filepath.Join(dir, path)
	}
	return path
}

// begin tells of a connection.
func (u *unixTap) begin(c *unixcalls.Conn) *unixConn {
	one := &unixConn{stream: u.engine.Open(tap.Opening{
		At: c.At, Server: tap.End{Path: u.absolute(c.Path, c.By)}, Unix: true, Datagram: c.Type == unixcalls.Datagram, Midstream: c.Midstream, Guessed: !c.ClientKnown,
	})}
	c.Owner = one
	if c.By.PID != 0 { // the client, where none sends anything
		one.stream.Sent(decode.Server, &tap.Origin{Receiver: originOfCall(c.By).Process})
	}
	if u.files != nil {
		u.write(func() (err error) {
			client, server := one.stream.Ends()
			one.packets, err = u.files.Open(c.At, client, server, c.Midstream, c.Type == unixcalls.Datagram)
			return err
		})
	}
	return one
}

// End implements [unixcalls.Sink].
func (u *unixTap) End(c *unixcalls.Conn, s decode.Side, at time.Time, missing int64, how decode.End) {
	one, ok := c.Owner.(*unixConn)
	if !ok {
		return
	}
	one.stream.End(s, at, missing, how)
	if one.packets != nil && how != decode.Stopped {
		u.write(func() error {
			client, server := one.stream.Ends()
			return one.packets.End(s, at, missing+one.missing[s], how, client, server)
		})
	}
}

// Refused implements [unixcalls.Sink].
func (u *unixTap) Refused(a unixcalls.Attempt) {
	if u.run.out.failed() != nil {
		return
	}
	if a.Errno == uint32(unix.ENOENT) && strings.TrimPrefix(a.Path, "/var") == nscdSocket && !u.looks {
		u.nscd++
		return
	}
	o := tap.Opening{At: a.At, Server: tap.End{Path: u.absolute(a.Path, a.Process)}, Unix: true}
	if a.Process.PID != 0 {
		origin := originOfCall(a.Process)
		u.engine.Complete(&o.Client, &origin)
	}
	u.engine.Fail(o, tap.FailureOf(uint16(a.Errno)))
	if u.files != nil {
		u.write(func() error { return u.files.Fail(a.At, &o.Client, &o.Server, a.Errno) })
	}
}

// write writes packets.
func (u *unixTap) write(f func() error) {
	out := u.run.out
	if err := out.packets.take(f); err != nil {
		out.fail(err)
	}
}
